package dev.kindling.evaluate;

import java.io.Serializable;

/**
 * What a task reports about a passage, and, added up, all tasks about a document.
 *
 * @param id what the document is called in the results
 * @param tokens scored
 * @param bytes of UTF-8 of those tokens
 * @param units of loss, see {@link Tally#UNITS}
 * @param problem why it could not be scored; null where all is well
 */
public record PassageScore(String id, long tokens, long bytes, long units, String problem) implements Serializable {

    static PassageScore of(Tally tally) {
        return new PassageScore(tally.passage().id(), tally.tokens(), tally.bytes(), tally.units(), tally.problem());
    }

    /** Both passages of one document; the same in whatever order many are added. */
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
