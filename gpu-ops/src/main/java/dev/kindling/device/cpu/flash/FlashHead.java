package dev.kindling.device.cpu.flash;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * One head of one sequence: its lengths, and where its rows start.
 *
 * @param first number of its first row, counting rows over sequences and heads, as the dropout mask does
 * @param blocksPerRow of the dropout mask
 */
public record FlashHead(
        AttentionInputs inputs, int sequence, int head, int start, int tq, int tk, long first, int blocksPerRow) {

    public static FlashHead of(AttentionInputs inputs, int index) {
        int heads = inputs.query().size(1);
        int s = index / heads;
        int h = index % heads;
        if (inputs.sequences() == null) {
            int tq = inputs.query().size(2);
            int tk = inputs.key().size(2);
            return new FlashHead(inputs, s, h, 0, tq, tk, (long) index * tq, (tk + 31) / 32);
        }
        int[] cumulative = CpuBuffer.ints(inputs.sequences().cumulative());
        int at = CpuBuffer.offset(inputs.sequences().cumulative()) + s;
        int length = cumulative[at + 1] - cumulative[at];
        int longest = inputs.sequences().longest();
        if (length < 0
                || length > longest
                || cumulative[at + 1] > inputs.query().size(2)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "sequence %d is rows %d .. %d, which does not fit the longest, %d, or the %d rows of %s",
                    s,
                    cumulative[at],
                    cumulative[at + 1],
                    longest,
                    inputs.query().size(2),
                    inputs.query()));
        }
        return new FlashHead(inputs, s, h, cumulative[at], length, length, (long) index * longest, (longest + 31) / 32);
    }

    /**
     * How many heads there are over all sequences; empty sequences at the end do not count, since workers would have
     * nothing to do for them.
     */
    public static int count(AttentionInputs inputs) {
        int sequences = inputs.sequences() == null ? inputs.query().size(0) : used(inputs.sequences());
        return sequences * inputs.query().size(1);
    }

    private static int used(AttentionInputs.Sequences sequences) {
        int[] cumulative = CpuBuffer.ints(sequences.cumulative());
        int at = CpuBuffer.offset(sequences.cumulative());
        int used = sequences.count();
        while (used > 0 && cumulative[at + used] == cumulative[at + used - 1]) {
            used--;
        }
        return used;
    }

    /** The offset of this head's first row in a tensor (B, H, T, D) or (B, H, T). */
    int at(Tensor tensor) {
        long batch = inputs.sequences() == null ? sequence : 0;
        return Math.toIntExact(
                tensor.offset() + batch * tensor.stride(0) + head * tensor.stride(1) + start * tensor.stride(2));
    }

    /** How many columns a row sees, from column 0 on. */
    int visible(int row) {
        return inputs.causal() ? Math.max(0, Math.min(tk, row + tk - tq + 1)) : tk;
    }
}
