package dev.kindling.device.cpu;

import dev.kindling.device.StepInputs;

/** What changes between steps, as the ops see it: the inputs, the dropout stream at hand and the clip scale. */
final class CpuStep {
    private StepInputs inputs = new StepInputs(0, 0, 0, 1, 1, 1);
    private long stream;
    private float gradientNorm;
    private float clipScale = 1;

    void set(StepInputs next) {
        inputs = next;
        stream = next.stream();
        clipScale = 1;
    }

    StepInputs inputs() {
        return inputs;
    }

    long stream() {
        return stream;
    }

    void nextMicroBatch() {
        stream++;
    }

    float gradientNorm() {
        return gradientNorm;
    }

    float clipScale() {
        return clipScale;
    }

    void clip(float norm, float scale) {
        gradientNorm = norm;
        clipScale = scale;
    }
}
