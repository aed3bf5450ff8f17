package dev.kindling.device.cpu.flash;

import static dev.kindling.device.cpu.flash.FlashPanels.grown;
import static dev.kindling.device.cpu.flash.FlashPanels.roundUp;
import static dev.kindling.device.cpu.flash.FlashTiles.PITCH;
import static dev.kindling.device.cpu.rows.CpuBuffer.floats;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.cpu.rows.CpuDropout;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;

/**
 * Attention's forward for one worker (FlashAttention-2, arXiv:2307.08691, Alg. 1): strips of a few query rows walk over
 * the keys in blocks, with a running maximum and sum. The keys and values of the current head are packed as far as they
 * are needed.
 */
public final class FlashForward {
    /** Keys per block. */
    private static final int BLOCK = 256;

    private final FlashTiles tiles;
    private final RowKernels kernels;
    private final int rows;
    private final int width;
    private final float[] scores;
    private final float[] keep = new float[BLOCK];
    private final float[] maxima;
    private final float[] before;
    private final float[] sums;
    private final float[] blockSums;
    private final int[] visible;
    private float[] keys = new float[0];
    private float[] values = new float[0];
    private float[] query = new float[0];
    private float[] output = new float[0];
    private int packed;

    public FlashForward(FlashTiles tiles, RowKernels kernels) {
        this.tiles = tiles;
        this.kernels = kernels;
        rows = tiles.rows();
        width = tiles.columns();
        scores = new float[rows * PITCH];
        maxima = new float[rows];
        before = new float[rows];
        sums = new float[rows];
        blockSums = new float[rows];
        visible = new int[rows];
    }

    /** Computes rows {@code from .. to-1} of a head. */
    public void run(FlashHead head, int from, int to, CpuDropout dropout, Tensor out, Tensor logSumExp) {
        AttentionInputs inputs = head.inputs();
        int depth = inputs.query().size(3);
        int valueDepth = inputs.value().size(3);
        keys = grown(keys, roundUp(head.tk(), width) * depth);
        values = grown(values, head.tk() * roundUp(valueDepth, width));
        query = grown(query, rows * PITCH);
        output = grown(output, rows * roundUp(valueDepth, width));
        packed = 0;
        for (int row = from; row < to; row += rows) {
            int count = Math.min(rows, to - row);
            int limit = head.visible(row + count - 1);
            pack(head, limit);
            loadQuery(head, row, count);
            strip(head, row, count, limit, dropout);
            store(head, row, count, out, logSumExp);
        }
    }

    private void pack(FlashHead head, int limit) {
        Tensor key = head.inputs().key();
        Tensor value = head.inputs().value();
        int depth = key.size(3);
        int keyStride = (int) key.stride(2);
        int valueStride = (int) value.stride(2);
        while (packed < limit) {
            int count = Math.min(width, head.tk() - packed);
            int keyAt = head.at(key) + packed * keyStride;
            tiles.transposed(floats(key), keyAt, keyStride, count, depth, keys, packed * depth);
            int valueAt = head.at(value) + packed * valueStride;
            tiles.panels(floats(value), valueAt, valueStride, count, value.size(3), values, packed, head.tk());
            packed += count;
        }
    }

    private void loadQuery(FlashHead head, int row, int count) {
        Tensor q = head.inputs().query();
        int depth = q.size(3);
        int stride = (int) q.stride(2);
        int at = head.at(q) + row * stride;
        tiles.scale(
                floats(q),
                at,
                stride,
                query,
                0,
                PITCH,
                count,
                depth,
                head.inputs().scale());
        for (int i = count; i < rows; i++) {
            Arrays.fill(query, i * PITCH, i * PITCH + depth, 0f);
        }
    }

    private void strip(FlashHead head, int row, int count, int limit, CpuDropout dropout) {
        int depth = head.inputs().query().size(3);
        int padded = roundUp(head.inputs().value().size(3), width);
        Arrays.fill(maxima, Float.NEGATIVE_INFINITY);
        Arrays.fill(sums, 0f);
        if (limit == 0) {
            Arrays.fill(output, 0f);
        }
        for (int first = 0; first < limit; first += BLOCK) {
            int n = Math.min(BLOCK, limit - first);
            for (int column = 0; column < n; column += width) {
                tiles.product(query, 0, keys, (first + column) * depth, depth, scores, column, PITCH, false);
            }
            for (int i = 0; i < rows; i++) {
                visible[i] = i < count ? Math.max(0, Math.min(n, head.visible(row + i) - first)) : 0;
            }
            softmax(n, padded, first > 0);
            for (int i = 0; dropout != null && i < count; i++) {
                dropout.attentionRow(head.first() + row + i, head.blocksPerRow(), first, visible[i], keep, 0);
                kernels.multiply(scores, i * PITCH, keep, 0, scores, i * PITCH, visible[i]);
            }
            for (int column = 0; column < padded; column += width) {
                int at = column * head.tk() + first * width;
                tiles.product(scores, 0, values, at, n, output, column, padded, first > 0);
            }
        }
    }

    /** Softmax of a block of the strip; what the blocks before brought is scaled to the new maxima. */
    private void softmax(int n, int padded, boolean rescale) {
        System.arraycopy(maxima, 0, before, 0, rows);
        tiles.softmax(scores, n, visible, maxima, blockSums);
        for (int i = 0; i < rows; i++) {
            if (rescale && maxima[i] > before[i]) {
                float factor = (float) Math.exp(before[i] - maxima[i]);
                sums[i] *= factor;
                kernels.scale(output, i * padded, factor, output, i * padded, padded);
            }
            sums[i] += blockSums[i];
        }
    }

    private void store(FlashHead head, int row, int count, Tensor out, Tensor logSumExp) {
        int depth = out.size(3);
        int padded = roundUp(depth, width);
        float[] target = floats(out);
        int stride = (int) out.stride(2);
        int at = head.at(out) + row * stride;
        float[] lse = floats(logSumExp);
        int lseStride = (int) logSumExp.stride(2);
        int lseAt = head.at(logSumExp) + row * lseStride;
        for (int i = 0; i < count; i++) {
            float factor = sums[i] == 0 ? 0f : 1 / sums[i];
            kernels.scale(output, i * padded, factor, target, at + i * stride, depth);
            lse[lseAt + i * lseStride] =
                    sums[i] == 0 ? Float.POSITIVE_INFINITY : (float) (maxima[i] + Math.log(sums[i]));
        }
    }
}
