package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;

/**
 * Sums the gradients of all ranks. Where gradients lie in host memory (CPU), each bucket is handed to the {@link
 * AllReduce} as soon as backward has completed it, and travels while backward goes on; device memory is staged through
 * the host when backward is done.
 */
final class GradientExchange {
    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final Tensor gradients;
    private final float[] host;
    private final boolean inPlace;

    GradientExchange(Device device, AllReduce allReduce, Parameters parameters) {
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

    /** Whether {@link #bucketReady} makes use of buckets as they come. */
    boolean overlaps() {
        return host != null && inPlace;
    }

    /** The gradient of one of {@link Parameters#buckets} is complete on this rank. */
    void bucketReady(int index) {
        if (overlaps()) {
            submit(parameters.buckets().get(index));
        }
    }

    private void submit(Range bucket) {
        long offset = inPlace ? gradients.offset() + bucket.offset() : bucket.offset();
        allReduce.submit(host, Math.toIntExact(offset), Math.toIntExact(bucket.length()));
    }

    /** All buckets are complete on this rank: returns when the gradients are the sums over all ranks. */
    void finish() {
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
