package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;

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
    private final Tensor gradients;
    private final float[] host;
    private final boolean inPlace;
    private long submitted;

    HostGradientExchange(Device device, AllReduce allReduce, Parameters parameters) {
        this.device = device;
        this.allReduce = allReduce;
        this.parameters = parameters;
        gradients = parameters.gradients();
        inPlace = device.hostArray(gradients).isPresent();
        boolean alone = allReduce.worldSize() == 1;
        host = alone
                ? null
                : device.hostArray(gradients).orElseGet(() -> new float[Math.toIntExact(parameters.count())]);
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
        long offset = inPlace ? gradients.offset() + submitted : submitted;
        allReduce.submit(host, Math.toIntExact(offset), Math.toIntExact(end - submitted));
        submitted = end;
    }

    @Override
    public void finish() {
        if (host == null) {
            return;
        }
        if (!inPlace) {
            device.download(gradients, host);
        }
        submitUpTo(parameters.count());
        allReduce.await();
        submitted = 0;
        if (!inPlace) {
            device.upload(host, gradients);
        }
    }
}
