package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;

/**
 * Sums over host memory. Where gradients lie there (CPU), each bucket is handed to the {@link AllReduce} as soon as
 * backward has completed it, and travels while backward goes on; device memory is staged through the host when backward
 * is done.
 */
final class HostGradientExchange implements GradientExchange {
    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final Tensor gradients;
    private final float[] host;
    private final boolean inPlace;

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
        if (host != null && inPlace) {
            submit(parameters.buckets().get(index));
        }
    }

    private void submit(Range bucket) {
        long offset = inPlace ? gradients.offset() + bucket.offset() : bucket.offset();
        allReduce.submit(host, Math.toIntExact(offset), Math.toIntExact(bucket.length()));
    }

    @Override
    public void finish() {
        if (host == null) {
            return;
        }
        if (!inPlace) {
            device.download(gradients, host);
            parameters.buckets().forEach(this::submit);
        }
        allReduce.await();
        if (!inPlace) {
            device.upload(host, gradients);
        }
    }
}
