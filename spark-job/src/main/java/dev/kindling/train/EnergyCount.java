package dev.kindling.train;

import dev.kindling.device.Device;

/** The energy of a rank's training steps: what its device draws from {@link #resume} to {@link #pause}, by their tokens. */
public final class EnergyCount {
    private final Device device;
    private double before; // NaN, as every sum with it, where the device has no counter
    private double joules;
    private long tokens;

    public EnergyCount(Device device) {
        this.device = device;
    }

    /** Steps begin, or go on. */
    public void resume() {
        before = device.energyJoules().orElse(Double.NaN);
    }

    /** Something else begins, or nothing. */
    public void pause() {
        joules += device.energyJoules().orElse(Double.NaN) - before;
    }

    /** Counts the tokens of this rank's share of a step. */
    public void add(long stepTokens) {
        tokens += stepTokens;
    }

    /** Null where the device has no counter, or no step was done. */
    public Double joulesPerThousandTokens() {
        return tokens == 0 || Double.isNaN(joules) ? null : Double.valueOf(1000 * joules / tokens);
    }
}
