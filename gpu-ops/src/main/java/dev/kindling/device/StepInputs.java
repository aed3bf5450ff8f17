package dev.kindling.device;

/**
 * What changes from one step to the next, kept in device memory so that a captured step can be replayed.
 *
 * @param seed of dropout, see {@link Dropout}, and of rounding at random, see {@link AdamWOp}
 * @param stream number of the first micro-batch that runs; {@link Ops#nextMicroBatch} counts it on
 * @param step counted from 0
 * @param learningRate of this step
 * @param beta1Correction 1 - beta1^t, t counting steps from 1
 * @param beta2Correction 1 - beta2^t
 * @param lossScale factor on every row's dlogits: 1 / (rows of the whole step) makes gradients a mean over all of
 *     its micro-batches
 */
public record StepInputs(
        long seed,
        long stream,
        long step,
        float learningRate,
        float beta1Correction,
        float beta2Correction,
        float lossScale) {
    /** Inputs of work that belongs to no step, or to the first. */
    public StepInputs(
            long seed, long stream, float learningRate, float beta1Correction, float beta2Correction, float lossScale) {
        this(seed, stream, 0, learningRate, beta1Correction, beta2Correction, lossScale);
    }
}
