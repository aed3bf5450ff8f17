package dev.kindling.evaluate;

import java.io.Serializable;

/**
 * The score of a passage, as a task reports it; the scores of all passages of a document add up to the document's.
 *
 * @param id of the document in the results
 * @param tokens how many were scored
 * @param bytes of UTF-8 of those tokens
 * @param units of loss, see {@link PassageLoss#UNITS}
 * @param problem why it could not be scored; null if it was
 */
public record PassageScore(String id, long tokens, long bytes, long units, String problem) implements Serializable {

    static PassageScore of(PassageLoss tally) {
        return new PassageScore(tally.passage().id(), tally.tokens(), tally.bytes(), tally.units(), tally.problem());
    }

    /** The sum of two passages of one document; the order in which many are added does not matter. */
    PassageScore plus(PassageScore other) {
        return new PassageScore(
                id,
                tokens + other.tokens,
                bytes + other.bytes,
                Math.addExact(units, other.units),
                first(problem, other.problem));
    }

    private static String first(String a, String b) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return a.compareTo(b) <= 0 ? a : b;
    }
}
