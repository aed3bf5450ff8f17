package dev.kindling.device.cuda;

import dev.kindling.device.Stopwatch;
import dev.kindling.device.cuda.library.CudaCall;
import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** Marks by events, which are made once and used again after each reading. Resolution: half a microsecond. */
final class CudaStopwatch implements Stopwatch {
    private final CudaContext context;
    private final List<CUevent> events = new ArrayList<>();
    private int marks;

    CudaStopwatch(CudaContext context) {
        this.context = context;
    }

    @Override
    public int mark() {
        if (context.capturing()) {
            throw new IllegalStateException("a captured step cannot be timed from inside; time its replay");
        }
        context.bind();
        if (marks == events.size()) {
            CUevent event = new CUevent();
            CudaCall.check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DEFAULT), "create an event");
            events.add(event);
        }
        CudaCall.check(JCudaDriver.cuEventRecord(events.get(marks), context.stream()), "record an event");
        return marks++;
    }

    @Override
    public double[] readMicros() {
        context.synchronize();
        double[] micros = new double[marks];
        float[] millis = new float[1];
        // Neighbours, not the distance from the first: a float of milliseconds is coarse after seconds.
        for (int i = 1; i < marks; i++) {
            CudaCall.check(
                    JCudaDriver.cuEventElapsedTime(millis, events.get(i - 1), events.get(i)),
                    "read the device's timer");
            micros[i] = micros[i - 1] + millis[0] * 1e3;
        }
        marks = 0;
        return micros;
    }

    @Override
    public void close() {
        if (!events.isEmpty()) {
            context.bind();
            events.forEach(JCudaDriver::cuEventDestroy);
            events.clear();
        }
    }
}
