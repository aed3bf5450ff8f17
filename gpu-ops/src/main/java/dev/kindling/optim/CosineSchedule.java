package dev.kindling.optim;

/**
 * nanoGPT's learning rate: linear warm-up, then half a cosine down to the minimum, then constant (Loshchilov and Hutter,
 * arXiv:1608.03983).
 */
public record CosineSchedule(float learningRate, float minLearningRate, int warmupSteps, int decaySteps) {

    /** The learning rate of a step, counted from 0. */
    public float at(long step) {
        if (step < warmupSteps) {
            return learningRate * (step + 1) / (warmupSteps + 1);
        }
        if (step >= decaySteps) {
            return minLearningRate;
        }
        double progress = (step - warmupSteps) / (double) (decaySteps - warmupSteps);
        return (float) (minLearningRate + 0.5 * (1 + Math.cos(Math.PI * progress)) * (learningRate - minLearningRate));
    }
}
