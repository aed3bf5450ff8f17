package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import org.apache.spark.sql.Row;

/**
 * A row of a table.
 *
 * @param text null where the table has none
 * @param problem why the row cannot be read; null where it can
 */
record TableDocument(String key, String id, String text, String problem) implements Passage {
    /** Characters tokenised at once. */
    private static final int PIECE = 1 << 17;

    /** From a row (key, id, text, problem). */
    static TableDocument of(Row row) {
        return new TableDocument(row.getString(0), row.getString(1), row.getString(2), row.getString(3));
    }

    @Override
    public boolean whole() {
        return true;
    }

    @Override
    public void read(Tokenizer tokenizer, int block, Tokens to) {
        if (problem != null || text == null) {
            throw new DataException("document %s %s; mend the table, or pass such rows over with --on-error skip"
                    .formatted(id, problem == null ? "is null" : problem));
        }
        to.begin(
                tokenizer.endOfText().isPresent()
                        ? new int[] {tokenizer.endOfText().getAsInt()}
                        : new int[0]);
        try {
            for (int at = 0; at < text.length(); ) {
                int end = end(at + PIECE);
                to.score(tokenizer.encode(text.substring(at, end)));
                at = end;
            }
        } catch (DataException e) {
            throw new DataException("document %s: %s".formatted(id, e.getMessage()), e);
        }
    }

    /** Where the text may be cut without changing its tokens: see {@link SafeCuts}. */
    private int end(int from) {
        for (int at = from; at < text.length(); at++) {
            char before = text.charAt(at - 1);
            boolean cut = text.charAt(at) == ' ' || text.charAt(at) == '\n';
            if (cut && before > ' ' && before < 0x7F) {
                return at;
            }
        }
        return text.length();
    }
}
