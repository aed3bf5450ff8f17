package dev.kindling.device.cpu.rows;

import dev.kindling.device.AttentionInputs;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;

/**
 * The columns that a row of scores sees before any mask: {@code first .. first+count-1}.
 *
 * @param row within (b, h) of the scores
 * @param dropoutRow the number of the row in the dropout mask, see {@link dev.kindling.device.Dropout}
 * @param blocksPerRow ceil(Tk / 32): groups of four random draws in a row of the dropout mask
 */
public record SoftmaxRow(int b, int h, int row, int first, int count, long dropoutRow, int blocksPerRow) {

    public static SoftmaxRow of(AttentionInputs inputs, Tensor scores, int index) {
        int tq = scores.size(2);
        int tk = scores.size(3);
        int row = index % tq;
        int h = index / tq % scores.size(1);
        int b = index / tq / scores.size(1);
        if (inputs.sequences() != null) {
            return packed(inputs.sequences(), inputs.causal(), scores.size(1), h, row);
        }
        int count = inputs.causal() ? Math.max(0, Math.min(tk, row + tk - tq + 1)) : tk;
        return new SoftmaxRow(b, h, row, 0, count, index, (tk + 31) / 32);
    }

    private static SoftmaxRow packed(AttentionInputs.Sequences sequences, boolean causal, int heads, int h, int row) {
        int[] cumulative = CpuBuffer.ints(sequences.cumulative());
        int start = CpuBuffer.offset(sequences.cumulative());
        int longest = sequences.longest();
        int blocks = (longest + 31) / 32;
        int found = Arrays.binarySearch(cumulative, start, start + sequences.count() + 1, row + 1);
        int s = (found >= 0 ? found : -found - 1) - start - 1;
        // Equal ends are empty sequences; the one that holds the row is the last to start at or before it.
        while (s > 0 && cumulative[start + s] > row) {
            s--;
        }
        if (s >= sequences.count()) {
            return new SoftmaxRow(0, h, row, 0, 0, 0, blocks);
        }
        int first = cumulative[start + s];
        int within = row - first;
        int count = causal ? within + 1 : cumulative[start + s + 1] - first;
        return new SoftmaxRow(0, h, row, first, count, ((long) s * heads + h) * longest + within, blocks);
    }
}
