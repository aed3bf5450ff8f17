package dev.kindling.report;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import java.util.List;

/**
 * What one rank measured, as it is sent to the driver.
 *
 * @param device the device's description of itself
 * @param peakFlops the device's peak, operations per second; 0 where unknown
 * @param peakBasis how the peak was found
 * @param cases in the order in which they were asked for
 */
public record RankMeasurement(
        int rank,
        String host,
        String executor,
        String device,
        String precision,
        double peakFlops,
        String peakBasis,
        List<Case> cases) {
    /**
     * One backend at one length.
     *
     * @param length T, tokens per sequence
     * @param compiled whether the step was captured and replayed
     * @param refusal why it did not run on some rank, or empty; if it did not run, the rest is empty
     * @param ran the backends that ran
     * @param allreduce the transport of the gradients
     * @param sequences per step on this rank
     * @param stepMillis wall time per step, one mean for each round
     * @param forwardMillis the same for forward with loss, over the same sequences
     * @param lossSums loss over this rank's tokens, for each step from the common weights on
     * @param bytes device memory that the step holds: weights, gradients, moments, activations, scratch
     * @param attentionShare attention's share of the operators' device time in an eager step, 0 to 1
     * @param joulesPerThousandTokens what the rank's device draws for a thousand of its own tokens; null where it has no
     *     counter of energy
     */
    public record Case(
            int length,
            String backend,
            boolean compiled,
            String refusal,
            String ran,
            String allreduce,
            int sequences,
            List<Double> stepMillis,
            List<Double> forwardMillis,
            List<Double> lossSums,
            long bytes,
            double attentionShare,
            @JsonSetter(nulls = Nulls.SET) Double joulesPerThousandTokens) {
        /** A case that did not run. */
        public static Case refused(int length, String backend, boolean compiled, String reason) {
            return new Case(length, backend, compiled, reason, "", "", 0, List.of(), List.of(), List.of(), 0, 0, null);
        }
    }
}
