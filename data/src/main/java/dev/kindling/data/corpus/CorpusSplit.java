package dev.kindling.data.corpus;

import dev.kindling.data.DataException;
import java.util.Arrays;

/**
 * nanoGPT's split: the first {@code floor(n (1 - valFraction))} of the corpus's n code points
 * train, the rest validates. A document that lies across the cut is cut in two.
 *
 * @param part index of the part of the corpus (however it is divided) in which validation begins
 * @param codePoint code point of that part at which it begins; 0 if the cut falls between two parts
 * @param trainCodePoints code points before the cut
 * @param valCodePoints code points after it
 */
public record CorpusSplit(int part, long codePoint, long trainCodePoints, long valCodePoints) {
    public static final String TRAIN = "train";
    public static final String VAL = "val";

    /**
     * Where to cut parts of these lengths. Takes lengths alone, so that a cluster can count
     * where the text lies.
     *
     * @param codePoints the length of each part, in corpus order
     * @param valFraction in [0, 1); 0 leaves the validation part empty
     * @throws DataException if the fraction is out of range or a split that should hold text is empty
     */
    public static CorpusSplit of(long[] codePoints, double valFraction) {
        if (!(valFraction >= 0 && valFraction < 1)) {
            throw new DataException(
                    "data.val_fraction %s is not in [0, 1); 0.1 keeps the last tenth for validation", valFraction);
        }
        long total = 0;
        for (long length : codePoints) {
            total += length;
        }
        // The same double product as nanoGPT's int(n * 0.9), so that the cut falls on the same character.
        long train = (long) (total * (1 - valFraction));
        if (train == 0 || (valFraction > 0 && train == total)) {
            throw new DataException(
                    "a corpus of %,d characters leaves nothing for %s where %s of it validates; use more text, or another data.val_fraction (prepare: --val-fraction)",
                    total, train == 0 ? TRAIN : VAL, valFraction);
        }
        long before = 0;
        int part = 0;
        while (part < codePoints.length && before + codePoints[part] <= train) {
            before += codePoints[part++];
        }
        return new CorpusSplit(part, train - before, train, total - train);
    }

    /**
     * Where parts that are for training end and those for validation begin.
     *
     * @param codePoints the length of each part, in order
     * @param trainParts how many of them, from the first, are for training
     * @throws DataException if one of the two holds no text
     */
    public static CorpusSplit between(long[] codePoints, int trainParts) {
        long train = Arrays.stream(codePoints, 0, trainParts).sum();
        long val = Arrays.stream(codePoints, trainParts, codePoints.length).sum();
        if (train == 0 || val == 0) {
            throw new DataException(
                    "there is no text for %s: all of it is for %s; divide the rows otherwise",
                    train == 0 ? TRAIN : VAL, train == 0 ? VAL : TRAIN);
        }
        return new CorpusSplit(trainParts, 0, train, val);
    }
}
