package dev.kindling.report;

/**
 * Where one rank spent the time of one step, in milliseconds on the host.
 *
 * @param dataMillis waiting for its batches
 * @param computeMillis the step without the other two; includes the exchange where gradients are sent from device
 *     to device
 * @param exchangeMillis waiting for gradients that were still in flight after backward, or for slower ranks
 */
public record RankTimes(double dataMillis, double computeMillis, double exchangeMillis) {
    /** The rank's own time, for which the other ranks may have to wait. */
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
