package dev.kindling.evaluate;

import java.io.Serializable;

/**
 * The score of a passage, as a task reports it; the scores of all passages of a document add up to the document's.
 *
 * @param id of the document in the results
 * @param tokens how many were scored
 * @param bytes of UTF-8 of those tokens
 * @param nats of loss, whole ones: a document of a billion tokens has more than 2^63 units
 * @param units of loss beside them, less than a nat; see {@link PassageLoss#UNITS}
 * @param problem why it could not be scored; null if it was
 */
public record PassageScore(String id, long tokens, long bytes, long nats, long units, String problem)
        implements Serializable {

    static PassageScore of(PassageLoss tally) {
        return carried(
                tally.passage().id(), tally.tokens(), tally.bytes(), tally.nats(), tally.units(), tally.problem());
    }

    /** The sum of two passages of one document; the order in which many are added does not matter. */
    PassageScore plus(PassageScore other) {
        return carried(
                id,
                tokens + other.tokens,
                bytes + other.bytes,
                nats + other.nats,
                units + other.units,
                first(problem, other.problem));
    }

    /** The sum of losses, in nats, rounded once. */
    public double loss() {
        return nats + units / PassageLoss.UNITS;
    }

    private static PassageScore carried(String id, long tokens, long bytes, long nats, long units, String problem) {
        long unitsPerNat = (long) PassageLoss.UNITS;
        return new PassageScore(id, tokens, bytes, nats + units / unitsPerNat, units % unitsPerNat, problem);
    }

    private static String first(String a, String b) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return a.compareTo(b) <= 0 ? a : b;
    }
}
