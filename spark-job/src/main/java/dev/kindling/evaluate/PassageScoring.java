package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.batch.StridedWindows;
import dev.kindling.inference.ExecutorModels;
import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import scala.Tuple2;

/**
 * The work of one task: scores the passages of its partition and gives the score of each with the key of its document.
 */
record PassageScoring(ScoringSettings scoring, Measurements measurements) implements Serializable {

    Iterator<Tuple2<String, PassageScore>> scores(Iterator<Passage> passages) throws IOException {
        if (!passages.hasNext()) {
            return Collections.emptyIterator();
        }
        return new Scores(passages, ExecutorModels.acquire(scoring));
    }

    private final class Scores extends ScoresInOrder<Passage, PassageLoss, Tuple2<String, PassageScore>> {
        private final LoadedScorer model;

        Scores(Iterator<Passage> passages, LoadedScorer model) {
            super(passages, model, measurements);
            this.model = model;
        }

        @Override
        boolean done(PassageLoss tally) {
            return tally.done();
        }

        @Override
        Tuple2<String, PassageScore> result(PassageLoss tally) {
            return new Tuple2<>(tally.passage().key(), tally.score());
        }

        @Override
        PassageLoss begin(Passage passage, ScoringPipeline scorer) {
            PassageLoss tally = new PassageLoss(passage);
            Reading reading = new Reading(tally, model, scoring.stride(), scorer);
            try {
                passage.read(model.tokenizer(), model.extents().block(), reading);
                reading.finish();
            } catch (DataException e) {
                if (!scoring.skipBad()) {
                    throw e;
                }
                tally.spoil(e.getMessage());
            }
            tally.endOfPassage();
            return tally;
        }
    }

    /** Cuts the tokens of one passage into windows, and counts their bytes. */
    private static final class Reading implements Passage.Tokens {
        private final PassageLoss tally;
        private final LoadedScorer model;
        private final StridedWindows windows;
        private boolean any;
        private boolean context;

        Reading(PassageLoss tally, LoadedScorer model, int stride, ScoringPipeline scorer) {
            this.tally = tally;
            this.model = model;
            windows = new StridedWindows(
                    model.extents().block(), stride, (tokens, scored) -> scorer.add(tokens, scored, tally));
        }

        @Override
        public void begin(int[] seen) {
            windows.begin(seen);
            context = seen.length > 0;
        }

        @Override
        public void score(int[] tokens) {
            windows.score(tokens);
            any |= tokens.length > (context ? 0 : 1);
            int unscored = context || tokens.length == 0 ? 0 : 1; // the first has nothing before it
            tally.addBytes(model.tokenizer().utf8Length(Arrays.copyOfRange(tokens, unscored, tokens.length)));
            context |= tokens.length > 0;
        }

        void finish() {
            windows.finish();
            if (!any && tally.passage().whole()) {
                throw new DataException(
                        "document %s has nothing to predict: it is empty, or a single character; remove it, or pass it over with --on-error skip",
                        tally.passage().id());
            }
        }
    }
}
