package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.evaluate.item.EndingTokens;
import dev.kindling.evaluate.item.Item;
import dev.kindling.inference.ExecutorModels;
import java.io.IOException;
import java.io.Serializable;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.Row;

/**
 * The work of one task of {@code evaluate --task}: scores every ending of its items and gives one row of {@link ItemScores}
 * for each.
 *
 * @param choice whether the model chooses among endings; otherwise it is asked whether it would write the only one
 */
record ItemScoring(ScoringSettings scoring, Measurements measurements, boolean choice) implements Serializable {

    Iterator<Row> scores(Iterator<Item> items) throws IOException {
        if (!items.hasNext()) {
            return Collections.emptyIterator();
        }
        return new Scores(items, ExecutorModels.acquire(scoring));
    }

    private final class Scores extends ScoresInOrder<Item, ItemLoss, Row> {
        private final LoadedScorer model;

        Scores(Iterator<Item> items, LoadedScorer model) {
            super(items, model, measurements);
            this.model = model;
        }

        @Override
        ItemLoss begin(Item item, ScoringPipeline scorer) {
            try {
                List<EndingTokens> tokens =
                        EndingTokens.of(item, model.tokenizer(), model.extents().block());
                ItemLoss loss = new ItemLoss(item, tokens, choice);
                for (int ending = 0; ending < tokens.size(); ending++) {
                    EndingTokens window = tokens.get(ending);
                    scorer.add(window.tokens(), window.scored(), loss.ending(ending));
                }
                return loss;
            } catch (DataException e) {
                if (!scoring.skipBad()) {
                    throw e;
                }
                return ItemLoss.skipped(item, e.getMessage());
            }
        }

        @Override
        boolean done(ItemLoss loss) {
            return loss.done();
        }

        @Override
        Row result(ItemLoss loss) {
            return ItemScores.row(loss);
        }
    }
}
