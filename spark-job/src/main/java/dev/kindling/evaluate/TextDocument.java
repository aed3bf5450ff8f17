package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.TableRow;
import dev.kindling.input.TextPieces;

/**
 * A document whose text is in memory: a row of a table.
 *
 * @param problem why there is no text; null where there is
 * @param subject what an error of the tokenizer begins with
 */
record TextDocument(String key, String id, String text, String problem, String subject) implements Passage {
    /** A row of a table that is read from files. */
    static TextDocument of(TableRow row) {
        String problem = row.problem() == null
                ? null
                : row.problem() + "; mend the table, or pass such rows over with --on-error skip";
        return new TextDocument(row.key(), row.id(), row.text(), problem, "document " + row.id());
    }

    /** A row of a table of Spark's, by its number in its task. */
    static TextDocument of(long number, String text) {
        String problem =
                text == null ? "the text is null; filter such rows out, or set handleInvalid to keep or skip" : null;
        String id = "row " + number;
        return new TextDocument(id, id, text, problem, "a text cannot be scored");
    }

    @Override
    public boolean whole() {
        return true;
    }

    @Override
    public void read(Tokenizer tokenizer, int block, Tokens to) {
        if (problem != null) {
            throw new DataException(problem);
        }
        to.begin(TextSegment.beginning(tokenizer));
        try {
            TextPieces.forEach(text, tokenizer.cuts(), piece -> to.score(tokenizer.encode(piece)));
        } catch (DataException e) {
            throw new DataException(e, "%s: %s", subject, e.getMessage());
        }
    }
}
