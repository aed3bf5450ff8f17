package dev.kindling.evaluate;

import java.io.Serializable;
import java.math.BigDecimal;
import java.math.MathContext;

/**
 * The score of a passage, as a task reports it; the scores of all passages of a document add up to the document's. Losses
 * are added up as whole units of 2^-32 nats, to which the sum over a window is rounded: integers give the same sum in any
 * order, so totals depend neither on partitions nor on retries.
 *
 * @param id of the document in the results
 * @param tokens how many were scored
 * @param bytes of UTF-8 of those tokens
 * @param nats of loss, whole ones: a document of a billion tokens has more than 2^63 units
 * @param units of loss beside them, less than a nat; see {@link #UNITS}
 * @param problem why it could not be scored; null if it was
 */
public record PassageScore(String id, long tokens, long bytes, long nats, long units, String problem)
        implements Serializable {

    /** Units per nat. */
    static final double UNITS = 0x1p32;

    /** Of a passage of which nothing is scored yet. */
    static PassageScore none(String id) {
        return new PassageScore(id, 0, 0, 0, 0, null);
    }

    /** Of a window: the sum of its losses, in nats. */
    static PassageScore of(String id, double loss, int tokens) {
        return none(id).plus(new PassageScore(id, tokens, 0, 0, Math.round(loss * UNITS), null));
    }

    /** The sum of units that Spark has added up, in nats, rounded once. */
    static double nats(BigDecimal units) {
        return units.divide(BigDecimal.valueOf((long) UNITS), MathContext.DECIMAL128)
                .doubleValue();
    }

    /** The sum of two passages of one document; the order in which many are added does not matter. */
    PassageScore plus(PassageScore other) {
        long sum = units + other.units;
        long unitsPerNat = (long) UNITS;
        return new PassageScore(
                id,
                tokens + other.tokens,
                bytes + other.bytes,
                nats + other.nats + sum / unitsPerNat,
                sum % unitsPerNat,
                first(problem, other.problem));
    }

    /** The sum of losses, in nats, rounded once. */
    public double loss() {
        return nats + units / UNITS;
    }

    private static String first(String a, String b) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return a.compareTo(b) <= 0 ? a : b;
    }
}
