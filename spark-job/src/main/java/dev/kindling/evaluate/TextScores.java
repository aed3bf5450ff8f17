package dev.kindling.evaluate;

import java.io.IOException;
import java.io.Serializable;
import java.util.Iterator;
import scala.Tuple2;

/**
 * Scores texts as they come, in a task: in their order, and with no more of them in memory than the device needs to be kept
 * busy.
 */
public record TextScores(ScoringSettings scoring, Measurements measurements) implements Serializable {
    /**
     * A score for each text, in their order. One that cannot be scored, as null, is an error, or where {@link
     * ScoringSettings#skipBad} says so a score with a {@link PassageScore#problem}.
     */
    public Iterator<PassageScore> of(Iterator<String> texts) throws IOException {
        Iterator<Passage> passages = new Iterator<>() {
            private long number;

            @Override
            public boolean hasNext() {
                return texts.hasNext();
            }

            @Override
            public Passage next() {
                return TextDocument.of(number++, texts.next());
            }
        };
        Iterator<Tuple2<String, PassageScore>> scores = new PassageScoring(scoring, measurements).scores(passages);
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return scores.hasNext();
            }

            @Override
            public PassageScore next() {
                return scores.next()._2();
            }
        };
    }
}
