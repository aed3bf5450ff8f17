package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * Sums over host memory. Where gradients lie there (CPU), they are handed to the {@link AllReduce} as soon as backward
 * has completed {@value #MIN_FLOATS} of them, and travel while backward goes on; device memory is staged through the host
 * when backward is done.
 */
final class HostGradientExchange implements GradientExchange {
    /** Smaller pieces would cost more in messages than they hide behind backward. */
    private static final int MIN_FLOATS = 256 << 10;

    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final SumOrder order;
    private final List<Tensor> operands;
    private final float[][] host;
    private final boolean inPlace;
    private long submitted;
    private long waitedNanos;

    HostGradientExchange(Device device, AllReduce allReduce, Parameters parameters, GradientSum sum) {
        this.device = device;
        this.allReduce = allReduce;
        this.parameters = parameters;
        order = sum.order();
        operands = sum.operands();
        inPlace = device.hostArray(parameters.gradients()).isPresent();
        boolean alone = allReduce.worldSize() == 1;
        host = alone ? null : operands.stream().map(this::hostArray).toArray(float[][]::new);
    }

    private float[] hostArray(Tensor operand) {
        if (inPlace && operand.offset() != 0) {
            throw new IllegalArgumentException(operand + " does not start its array");
        }
        return device.hostArray(operand).orElseGet(() -> new float[Math.toIntExact(operand.count())]);
    }

    @Override
    public String name() {
        return allReduce.name();
    }

    @Override
    public boolean onDevice() {
        return false;
    }

    @Override
    public void bucketReady(int index) {
        Range bucket = parameters.buckets().get(index);
        long ready = bucket.offset() + bucket.length();
        if (host != null && inPlace && ready - submitted >= MIN_FLOATS) {
            submitUpTo(ready);
        }
    }

    private void submitUpTo(long end) {
        allReduce.submit(order, host, Math.toIntExact(submitted), Math.toIntExact(end - submitted));
        submitted = end;
    }

    @Override
    public void finish() {
        if (host == null) {
            return;
        }
        if (!inPlace) {
            for (int i = 0; i < host.length; i++) {
                device.download(operands.get(i), host[i]);
            }
        }
        submitUpTo(parameters.count());
        long began = System.nanoTime();
        allReduce.await();
        waitedNanos = System.nanoTime() - began;
        submitted = 0;
        if (!inPlace) {
            device.upload(host[host.length - 1], parameters.gradients());
        }
    }

    @Override
    public long waitedNanos() {
        return waitedNanos;
    }
}
