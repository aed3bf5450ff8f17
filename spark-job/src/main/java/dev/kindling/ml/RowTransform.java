package dev.kindling.ml;

import dev.kindling.evaluate.PassageScore;
import dev.kindling.evaluate.TextScores;
import dev.kindling.generate.TextCompletions;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * Adds columns to the rows of a task as they come. Only the rows that the model has read ahead of its results are in
 * memory.
 *
 * @param text position of the column of text
 * @param skip whether rows without a result are left out; otherwise what is added to them is null
 */
record RowTransform(int text, boolean skip) implements Serializable {
    /** What is to be computed of the texts, in their order. */
    private interface Results<T> {
        Iterator<T> of(Iterator<String> texts) throws IOException;
    }

    /** What is added to a row; empty where there is no result. */
    private interface Cells<T> {
        Optional<List<Object>> of(T result);
    }

    /** @param columns which of loss, perplexity and bits per byte are wanted */
    Iterator<Row> scored(Iterator<Row> rows, TextScores scores, boolean[] columns) throws IOException {
        return transformed(rows, scores::of, score -> cells(score, columns), count(columns));
    }

    private static int count(boolean[] columns) {
        int count = 0;
        for (boolean wanted : columns) {
            count += wanted ? 1 : 0;
        }
        return count;
    }

    private static Optional<List<Object>> cells(PassageScore score, boolean[] columns) {
        if (score.problem() != null) {
            return Optional.empty();
        }
        double loss = score.loss() / score.tokens();
        double[] all = {loss, Math.exp(loss), score.loss() / (Math.log(2) * score.bytes())};
        List<Object> cells = new ArrayList<>();
        for (int i = 0; i < all.length; i++) {
            if (columns[i]) {
                cells.add(all[i]);
            }
        }
        return Optional.of(cells);
    }

    Iterator<Row> completed(Iterator<Row> rows, TextCompletions completions) throws IOException {
        return transformed(rows, completions::of, text -> text.map(List::of), 1);
    }

    private <T> Iterator<Row> transformed(Iterator<Row> rows, Results<T> results, Cells<T> cells, int width)
            throws IOException {
        Deque<Row> ahead = new ArrayDeque<>();
        Iterator<T> computed = results.of(new Iterator<>() {
            @Override
            public boolean hasNext() {
                return rows.hasNext();
            }

            @Override
            public String next() {
                Row row = rows.next();
                ahead.addLast(row);
                return row.getString(text);
            }
        });
        return new Iterator<>() {
            private Row next;

            @Override
            public boolean hasNext() {
                while (next == null && computed.hasNext()) {
                    Optional<List<Object>> added = cells.of(computed.next());
                    Row row = ahead.removeFirst();
                    if (added.isPresent() || !skip) {
                        next = wider(row, added.orElseGet(() -> Arrays.asList(new Object[width])));
                    }
                }
                return next != null;
            }

            @Override
            public Row next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("all rows have been transformed");
                }
                Row row = next;
                next = null;
                return row;
            }
        };
    }

    private static Row wider(Row row, List<Object> added) {
        Object[] values = new Object[row.length() + added.size()];
        for (int i = 0; i < row.length(); i++) {
            values[i] = row.get(i);
        }
        for (int i = 0; i < added.size(); i++) {
            values[row.length() + i] = added.get(i);
        }
        return RowFactory.create(values);
    }
}
