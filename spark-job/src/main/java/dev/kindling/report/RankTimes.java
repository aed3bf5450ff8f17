package dev.kindling.report;

/**
 * Where one rank's time of one step went, in milliseconds of the host.
 *
 * @param dataMillis waiting for its batches
 * @param computeMillis the step without the other two; where gradients travel from device to device, these too
 * @param exchangeMillis waiting for gradients that backward did not hide: their transport, and slower ranks
 */
public record RankTimes(double dataMillis, double computeMillis, double exchangeMillis) {
    /** What the other ranks may have to wait for. */
    double ownMillis() {
        return dataMillis + computeMillis;
    }

    RankTimes plus(RankTimes other) {
        return new RankTimes(
                dataMillis + other.dataMillis,
                computeMillis + other.computeMillis,
                exchangeMillis + other.exchangeMillis);
    }
}
