package dev.kindling.device.cpu.rows;

import dev.kindling.device.StepInputs;

/**
 * The values that change between steps, as the ops use them: the step's inputs, the current dropout stream and the clip
 * scale.
 */
public final class CpuStep {
    private StepInputs inputs = new StepInputs(0, 0, 0, 1, 1, 1);
    private long stream;
    private float gradientNorm;
    private float clipScale = 1;

    public void set(StepInputs next) {
        inputs = next;
        stream = next.stream();
        clipScale = 1;
    }

    public StepInputs inputs() {
        return inputs;
    }

    long stream() {
        return stream;
    }

    public void nextMicroBatch() {
        stream++;
    }

    public float gradientNorm() {
        return gradientNorm;
    }

    public float clipScale() {
        return clipScale;
    }

    public void clip(float norm, float scale) {
        gradientNorm = norm;
        clipScale = scale;
    }
}
