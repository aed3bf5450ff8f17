package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

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
    private final Range own;
    private final int[] bounds;
    private long submitted;
    private long waitedNanos;

    /** @param slices of {@code train.zero: 1} */
    HostGradientExchange(
            Device device, AllReduce allReduce, Parameters parameters, GradientSum sum, Optional<Slices> slices) {
        this.device = device;
        this.allReduce = allReduce;
        this.parameters = parameters;
        order = sum.order();
        operands = sum.operands();
        own = slices.map(Slices::own).orElse(parameters.all());
        bounds = slices.map(Slices::bounds).orElse(null);
        inPlace = device.hostArray(parameters.gradients()).isPresent();
        boolean alone = allReduce.worldSize() == 1;
        host = alone ? null : operands.stream().map(this::hostArray).toArray(float[][]::new);
    }

    private float[] hostArray(Tensor flat) {
        if (inPlace && flat.offset() != 0) {
            throw new IllegalArgumentException(flat + " does not start its array");
        }
        return device.hostArray(flat).orElseGet(() -> new float[Math.toIntExact(flat.count())]);
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
        long ready = parameters.buckets().get(index).end();
        if (host != null && inPlace && ready - submitted >= MIN_FLOATS) {
            submitUpTo(ready);
        }
    }

    private void submitUpTo(long end) {
        int from = Math.toIntExact(submitted);
        int length = Math.toIntExact(end - submitted);
        if (bounds == null) {
            allReduce.submit(order, host, from, length);
        } else {
            allReduce.submitScatter(order, host, from, length, bounds);
        }
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
            uploadOwn(host[host.length - 1], parameters.gradients());
        }
    }

    @Override
    public long waitedNanos() {
        return waitedNanos;
    }

    private void uploadOwn(float[] flat, Tensor to) {
        float[] part = bounds == null ? flat : Arrays.copyOfRange(flat, (int) own.offset(), (int) own.end());
        device.upload(part, to.slice(0, own.offset(), own.length()));
    }

    @Override
    public void shareWeights() {
        Tensor master = parameters.master();
        if (inPlace) {
            gather(hostArray(master));
            return;
        }
        float[] staged = host[host.length - 1];
        float[] part = new float[Math.toIntExact(own.length())];
        device.download(master.slice(0, own.offset(), own.length()), part);
        System.arraycopy(part, 0, staged, (int) own.offset(), part.length);
        gather(staged);
        parameters.load(staged);
    }

    private void gather(float[] weights) {
        long began = System.nanoTime();
        allReduce.allGather(weights, bounds);
        waitedNanos += System.nanoTime() - began;
    }
}
