package dev.kindling.device.cuda;

import dev.kindling.device.Replay;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/** The compiled step: everything that a run enqueues, launched at once. */
final class CudaGraph implements Replay {
    private final CudaContext context;
    private final CUgraphExec graph;
    private boolean closed;

    private CudaGraph(CudaContext context, CUgraphExec graph) {
        this.context = context;
        this.graph = graph;
    }

    /**
     * Runs {@code step} once as usual, which compiles its kernels and grows the scratch memory, then captures a second
     * run, which enqueues nothing.
     */
    static CudaGraph capture(CudaContext context, Runnable step) {
        step.run();
        context.synchronize();
        CUgraph recorded = record(context, step);
        try {
            CUgraphExec graph = new CUgraphExec();
            CudaCall.check(JCudaDriver.cuGraphInstantiate(graph, recorded, 0), "instantiate the captured step");
            CudaCall.check(JCudaDriver.cuGraphUpload(graph, context.stream()), "upload the captured step");
            return new CudaGraph(context, graph);
        } finally {
            JCudaDriver.cuGraphDestroy(recorded);
        }
    }

    private static CUgraph record(CudaContext context, Runnable step) {
        CUgraph recorded = new CUgraph();
        // Thread-local: other threads of the executor may allocate and copy meanwhile.
        CudaCall.check(
                JCudaDriver.cuStreamBeginCapture(
                        context.stream(), CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                "begin to capture a step");
        context.capturing(true);
        try {
            step.run();
        } catch (RuntimeException | Error e) {
            context.capturing(false);
            JCudaDriver.cuStreamEndCapture(context.stream(), recorded);
            throw e;
        }
        context.capturing(false);
        CudaCall.check(JCudaDriver.cuStreamEndCapture(context.stream(), recorded), "end the capture of a step");
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
            context.synchronize();
            CudaCall.check(JCudaDriver.cuGraphExecDestroy(graph), "destroy a captured step");
        }
    }
}
