package dev.kindling.device.cuda;

import dev.kindling.device.Replay;
import dev.kindling.device.cuda.library.CudaCall;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/** The compiled step: everything that a run enqueues, launched at once. */
final class CudaGraph implements Replay {
    /** CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY: kernels keep the priority of the stream they were captured on. */
    private static final long KEEP_PRIORITIES = 8;

    private final CudaContext context;
    private final CUgraphExec graph;
    private boolean closed;

    private CudaGraph(CudaContext context, CUgraphExec graph) {
        this.context = context;
        this.graph = graph;
    }

    /**
     * Captures {@code step}, which executes nothing. A rehearsal comes first, a capture in which everything is allowed:
     * it compiles and loads the kernels and grows the scratch memory.
     */
    static CudaGraph capture(CudaContext context, Runnable step) {
        context.synchronize();
        context.rehearsing(true);
        try {
            JCudaDriver.cuGraphDestroy(record(context, step, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED));
        } finally {
            context.rehearsing(false);
        }
        // Thread-local: other threads of the executor may allocate and copy meanwhile.
        CUgraph recorded = record(context, step, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
        try {
            CUgraphExec graph = new CUgraphExec();
            CudaCall.check(
                    JCudaDriver.cuGraphInstantiate(graph, recorded, KEEP_PRIORITIES), "instantiate the captured step");
            CudaCall.check(JCudaDriver.cuGraphUpload(graph, context.stream()), "upload the captured step");
            return new CudaGraph(context, graph);
        } finally {
            JCudaDriver.cuGraphDestroy(recorded);
        }
    }

    private static CUgraph record(CudaContext context, Runnable step, int mode) {
        CUgraph recorded = new CUgraph();
        CudaCall.check(JCudaDriver.cuStreamBeginCapture(context.stream(), mode), "begin to capture a step");
        context.capturing(true);
        boolean done = false;
        try {
            step.run();
            done = true;
        } finally {
            context.capturing(false);
            int result = JCudaDriver.cuStreamEndCapture(context.stream(), recorded);
            if (done) {
                CudaCall.check(result, "end the capture of a step");
            }
        }
        return recorded;
    }

    @Override
    public void run() {
        if (closed) {
            throw new IllegalStateException("the captured step is closed");
        }
        context.bind();
        CudaCall.check(JCudaDriver.cuGraphLaunch(graph, context.stream()), "launch the captured step");
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            // One that still runs is freed when it ends; not waited for, since a collective in it may never end.
            context.bind();
            CudaCall.check(JCudaDriver.cuGraphExecDestroy(graph), "destroy a captured step");
        }
    }
}
