package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.TableRow;
import dev.kindling.input.TextPieces;

/** A row of a table. */
record TableDocument(TableRow row) implements Passage {
    @Override
    public String key() {
        return row.key();
    }

    @Override
    public String id() {
        return row.id();
    }

    @Override
    public boolean whole() {
        return true;
    }

    @Override
    public void read(Tokenizer tokenizer, int block, Tokens to) {
        if (row.problem() != null) {
            throw new DataException("%s; mend the table, or pass such rows over with --on-error skip", row.problem());
        }
        to.begin(TextSegment.beginning(tokenizer));
        try {
            TextPieces.forEach(row.text(), tokenizer.cuts(), piece -> to.score(tokenizer.encode(piece)));
        } catch (DataException e) {
            throw new DataException(e, "document %s: %s", id(), e.getMessage());
        }
    }
}
