package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Operands;
import dev.kindling.device.Device;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * Gradients of device memory on their way through the hosts: a few windows of them in host memory, each of which is copied
 * from the device, summed over the ranks and copied back while others are. So a heap never holds a model's gradients.
 */
final class HostWindows {
    /** Floats of a window for each rank, 256 KiB: enough that a message costs little beside its bytes. */
    private static final int FLOATS_OF_RANK = 1 << 16;
    /** Between 4 and 64 MiB. */
    private static final int LEAST_FLOATS = 1 << 20;

    private static final int MOST_FLOATS = 1 << 24;
    /** So that the network has work while windows are copied. */
    private static final int WINDOWS = 4;

    /** Begins the sum of a window; what {@link AllReduce#await(long)} takes. */
    interface Submission {
        long submit(Operands window, Range range);
    }

    private record InFlight(float[][] arrays, Range range, long submission) {}

    private final Device device;
    private final AllReduce allReduce;
    private final List<Tensor> operands;
    /** The positions whose sums are copied back. */
    private final Range wanted;

    private final int floats;
    private final Deque<float[][]> free = new ArrayDeque<>();
    private final Deque<InFlight> inFlight = new ArrayDeque<>();

    /** @param operands of this rank; the last one receives the sums of the positions that are wanted */
    HostWindows(Device device, AllReduce allReduce, List<Tensor> operands, Range wanted) {
        this.device = device;
        this.allReduce = allReduce;
        this.operands = operands;
        this.wanted = wanted;
        floats = (int) Math.min(floats(allReduce.worldSize()), operands.get(0).count());
        for (int i = 0; i < WINDOWS; i++) {
            free.add(new float[operands.size()][floats]);
        }
    }

    /** What a window holds. */
    static int floats(int worldSize) {
        return (int) Math.min(MOST_FLOATS, Math.max(LEAST_FLOATS, (long) FLOATS_OF_RANK * worldSize));
    }

    /** Copies a range to the host, window after window, and begins its sums; waits for a window where all are in flight. */
    void send(Range range, Submission submission) {
        for (long at = range.offset(); at < range.end(); at += floats) {
            Range part = new Range(at, Math.min(floats, range.end() - at));
            if (free.isEmpty()) {
                takeBack();
            }
            float[][] arrays = free.remove();
            for (int i = 0; i < arrays.length; i++) {
                device.download(slice(operands.get(i), part), FloatBuffer.wrap(arrays[i], 0, (int) part.length()));
            }
            Operands window = new Operands(arrays, Math.toIntExact(part.offset()));
            inFlight.add(new InFlight(arrays, part, submission.submit(window, part)));
        }
    }

    /** Returns when all sums that are wanted are on their way to the device. */
    void takeAllBack() {
        while (!inFlight.isEmpty()) {
            takeBack();
        }
    }

    private void takeBack() {
        InFlight oldest = inFlight.remove();
        allReduce.await(oldest.submission);
        Range part = oldest.range.intersect(wanted);
        if (part.length() > 0) {
            float[] sums = oldest.arrays[oldest.arrays.length - 1];
            int first = (int) (part.offset() - oldest.range.offset());
            Tensor gradients = operands.get(operands.size() - 1);
            device.upload(FloatBuffer.wrap(sums, first, (int) part.length()), slice(gradients, part));
        }
        free.add(oldest.arrays);
    }

    private static Tensor slice(Tensor flat, Range range) {
        return flat.slice(0, range.offset(), range.length());
    }
}
