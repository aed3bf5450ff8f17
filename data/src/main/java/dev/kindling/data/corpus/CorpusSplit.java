package dev.kindling.data.corpus;

import dev.kindling.data.DataException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * nanoGPT's split: the first {@code floor(n (1 - valFraction))} of the corpus's n code points
 * train, the rest validates. A document that lies across the cut is cut in two.
 *
 * @param document index of the document in which validation begins
 * @param codePoint code point of that document at which it begins; 0 if the cut falls between two
 *     documents
 * @param trainCodePoints code points before the cut
 * @param valCodePoints code points after it
 */
public record CorpusSplit(int document, int codePoint, long trainCodePoints, long valCodePoints) {
    public static final String TRAIN = "train";
    public static final String VAL = "val";

    /** The two parts of a corpus that is small enough to be held in memory. */
    public record Parts(List<Document> train, List<Document> val) {}

    /**
     * Where to cut documents of these lengths. Takes lengths alone, so that a cluster can count
     * where the text lies.
     *
     * @param codePoints the length of each document, in corpus order
     * @param valFraction in [0, 1); 0 leaves the validation part empty
     * @throws DataException if the fraction is out of range or a part that should hold text is empty
     */
    public static CorpusSplit of(long[] codePoints, double valFraction) {
        if (!(valFraction >= 0 && valFraction < 1)) {
            throw new DataException("data.val_fraction %s is not in [0, 1); 0.1 keeps the last tenth for validation"
                    .formatted(valFraction));
        }
        long total = 0;
        for (long length : codePoints) {
            total += length;
        }
        // The same double product as nanoGPT's int(n * 0.9), so that the cut falls on the same character.
        long train = (long) (total * (1 - valFraction));
        if (train == 0 || (valFraction > 0 && train == total)) {
            throw new DataException(
                    "a corpus of %,d characters leaves nothing for %s at data.val_fraction %s; use more text or another fraction"
                            .formatted(total, train == 0 ? TRAIN : VAL, valFraction));
        }
        long before = 0;
        int document = 0;
        while (document < codePoints.length && before + codePoints[document] <= train) {
            before += codePoints[document++];
        }
        return new CorpusSplit(document, Math.toIntExact(train - before), train, total - train);
    }

    /** Cuts documents that are in memory. */
    public static Parts cut(List<Document> documents, double valFraction) {
        CorpusSplit split =
                of(documents.stream().mapToLong(Document::codePoints).toArray(), valFraction);
        List<Document> train = new ArrayList<>();
        List<Document> val = new ArrayList<>();
        for (int index = 0; index < documents.size(); index++) {
            split.train(documents.get(index), index).ifPresent(train::add);
            split.val(documents.get(index), index).ifPresent(val::add);
        }
        return new Parts(List.copyOf(train), List.copyOf(val));
    }

    /** The part of document number {@code index} that trains, if any. Keeps the document's id. */
    public Optional<Document> train(Document whole, int index) {
        if (index != document) {
            return index < document ? Optional.of(whole) : Optional.empty();
        }
        return codePoint == 0
                ? Optional.empty()
                : Optional.of(new Document(whole.id(), whole.text().substring(0, charOffset(whole))));
    }

    /** The part of document number {@code index} that validates, if any. Keeps the document's id. */
    public Optional<Document> val(Document whole, int index) {
        if (index != document) {
            return index > document ? Optional.of(whole) : Optional.empty();
        }
        return Optional.of(new Document(whole.id(), whole.text().substring(charOffset(whole))));
    }

    private int charOffset(Document whole) {
        return whole.text().offsetByCodePoints(0, codePoint);
    }
}
