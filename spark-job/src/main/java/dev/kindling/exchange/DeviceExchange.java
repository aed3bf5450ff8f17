package dev.kindling.exchange;

import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.Collectives.Beside;
import dev.kindling.tensor.Tensor;

/** What the exchanges from GPU to GPU have in common: losses and maxima go the same way, whoever owns the weights. */
abstract class DeviceExchange implements GradientExchange {
    final Collectives collectives;
    private final StepLosses losses;

    DeviceExchange(Collectives collectives, StepLosses losses) {
        this.collectives = collectives;
        this.losses = losses;
    }

    @Override
    public String transport() {
        return collectives.name();
    }

    @Override
    public void lossesReady() {
        collectives.allReduce(losses.tensor(), Beside.WORK);
    }

    @Override
    public void maximaReady(Tensor maxima) {
        collectives.maximum(maxima);
    }

    @Override
    public void joinDevice() {
        collectives.join();
    }

    @Override
    public void awaitDevice() {
        losses.read();
    }

    /** Nothing runs beside the sums of the last bucket, with which a backward pass ends. */
    static Beside beside(int bucket, int buckets) {
        return bucket == buckets - 1 ? Beside.NOTHING : Beside.WORK;
    }
}
