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
 * Attention's backward for one worker and one head at a time (FlashAttention-2, Alg. 2). P is recomputed from the
 * log-sum-exp in tiles of queries by keys. dQ is finished per tile of queries; dK and dV are summed over the tiles of
 * queries in order. With S = scale Q K^T: dV = Pd^T dO (Pd is P after dropout), dS = P (dP - rowsum(dO O)), dQ = scale
 * dS K, dK = dS^T (scale Q).
 */
public final class FlashBackward {
    /** Keys per tile; queries are as many, rounded down to whole strips. */
    private static final int TILE = 64;

    private final FlashTiles tiles;
    private final RowKernels kernels;
    private final int rows;
    private final int width;
    private final int tileRows;
    private final float[] probabilities;
    private final float[] gradients;
    private final float[] group;
    private final float[] delta;
    private final float[] lse;
    private final float[] keep;
    private final int[] visible;
    private float[] keysTransposed = new float[0];
    private float[] valuesTransposed = new float[0];
    private float[] keys = new float[0];
    private float[] dKeys = new float[0];
    private float[] dValues = new float[0];
    private float[] query = new float[0];
    private float[] dOut = new float[0];
    private float[] queryPanels = new float[0];
    private float[] dOutPanels = new float[0];
    private float[] dQuery = new float[0];

    private FlashHead head;
    private AttentionInputs inputs;
    private CpuDropout dropout;
    private int depth;
    private int valueDepth;
    private int padded;
    private int valuePadded;

    public FlashBackward(FlashTiles tiles, RowKernels kernels) {
        this.tiles = tiles;
        this.kernels = kernels;
        rows = tiles.rows();
        width = tiles.columns();
        tileRows = TILE / rows * rows;
        probabilities = new float[tileRows * PITCH];
        gradients = new float[tileRows * PITCH];
        group = new float[tileRows * rows + width];
        delta = new float[tileRows];
        lse = new float[rows];
        keep = new float[rows * PITCH];
        visible = new int[rows];
    }

    public void run(FlashHead next, CpuDropout drops, Tensor out, Tensor logSumExp, AttentionInputs.Gradients target) {
        head = next;
        inputs = next.inputs();
        dropout = drops;
        depth = inputs.query().size(3);
        valueDepth = inputs.value().size(3);
        padded = roundUp(depth, width);
        valuePadded = roundUp(valueDepth, width);
        packHead();
        for (int row = 0; row < head.tq(); row += tileRows) {
            queryTile(row, Math.min(tileRows, head.tq() - row), out, logSumExp, target);
        }
        storeRows(dKeys, padded, 0, head.tk(), 1f, target.dKey());
        storeRows(dValues, valuePadded, 0, head.tk(), 1f, target.dValue());
    }

    private void packHead() {
        int tk = head.tk();
        Tensor key = inputs.key();
        Tensor value = inputs.value();
        keysTransposed = grown(keysTransposed, roundUp(tk, width) * depth);
        valuesTransposed = grown(valuesTransposed, roundUp(tk, width) * valueDepth);
        keys = grown(keys, tk * padded);
        dKeys = grown(dKeys, (tk + rows) * padded);
        dValues = grown(dValues, (tk + rows) * valuePadded);
        Arrays.fill(dKeys, 0, tk * padded, 0f);
        Arrays.fill(dValues, 0, tk * valuePadded, 0f);
        int keyStride = (int) key.stride(2);
        int valueStride = (int) value.stride(2);
        for (int first = 0; first < tk; first += width) {
            int count = Math.min(width, tk - first);
            int keyAt = head.at(key) + first * keyStride;
            int valueAt = head.at(value) + first * valueStride;
            tiles.transposed(floats(key), keyAt, keyStride, count, depth, keysTransposed, first * depth);
            tiles.transposed(
                    floats(value), valueAt, valueStride, count, valueDepth, valuesTransposed, first * valueDepth);
        }
        tiles.panels(floats(key), head.at(key), keyStride, tk, depth, keys, 0, tk);
    }

    private void queryTile(int row, int count, Tensor out, Tensor logSumExp, AttentionInputs.Gradients target) {
        loadTile(row, count, out, target.dOut());
        int limit = head.visible(row + count - 1);
        if (limit == 0) {
            Arrays.fill(dQuery, 0, tileRows * padded, 0f);
        }
        for (int first = 0; first < limit; first += TILE) {
            int n = Math.min(TILE, limit - first);
            for (int i = 0; i < count; i += rows) {
                strip(row, i, Math.min(rows, count - i), first, n, logSumExp);
            }
            for (int key = 0; key < n; key += rows) {
                keyGroup(row, count, first, key);
            }
        }
        storeRows(dQuery, padded, row, count, inputs.scale(), target.dQuery());
    }

    private void loadTile(int row, int count, Tensor out, Tensor dOutTensor) {
        query = grown(query, tileRows * PITCH);
        dOut = grown(dOut, tileRows * PITCH);
        queryPanels = grown(queryPanels, tileRows * padded);
        dOutPanels = grown(dOutPanels, tileRows * valuePadded);
        dQuery = grown(dQuery, tileRows * padded);
        Tensor q = inputs.query();
        int qStride = (int) q.stride(2);
        int qAt = head.at(q) + row * qStride;
        int gradientStride = (int) dOutTensor.stride(2);
        int gradientAt = head.at(dOutTensor) + row * gradientStride;
        int outStride = (int) out.stride(2);
        int outAt = head.at(out) + row * outStride;
        tiles.scale(floats(q), qAt, qStride, query, 0, PITCH, count, depth, inputs.scale());
        tiles.scale(floats(dOutTensor), gradientAt, gradientStride, dOut, 0, PITCH, count, valueDepth, 1f);
        tiles.dots(dOut, floats(out), outAt, outStride, count, valueDepth, delta);
        int whole = roundUp(count, rows);
        for (int i = count; i < whole; i++) {
            Arrays.fill(query, i * PITCH, i * PITCH + depth, 0f);
            Arrays.fill(dOut, i * PITCH, i * PITCH + valueDepth, 0f);
        }
        tiles.panels(query, 0, PITCH, whole, depth, queryPanels, 0, tileRows);
        tiles.panels(dOut, 0, PITCH, whole, valueDepth, dOutPanels, 0, tileRows);
    }

    /** Computes P and dS of a strip of queries against keys {@code first .. first+n-1}, and adds their part of dQ. */
    private void strip(int row, int i, int count, int first, int n, Tensor logSumExp) {
        int seen = Math.max(0, Math.min(n, head.visible(row + i + count - 1) - first));
        int lseStride = (int) logSumExp.stride(2);
        int lseAt = head.at(logSumExp);
        for (int column = 0; column < seen; column += width) {
            int key = first + column;
            int at = i * PITCH + column;
            tiles.product(query, i * PITCH, keysTransposed, key * depth, depth, probabilities, at, PITCH, false);
            tiles.product(dOut, i * PITCH, valuesTransposed, key * valueDepth, valueDepth, gradients, at, PITCH, false);
        }
        for (int j = 0; j < rows; j++) {
            visible[j] = j < count ? Math.max(0, Math.min(n, head.visible(row + i + j) - first)) : 0;
            lse[j] = j < count ? floats(logSumExp)[lseAt + (row + i + j) * lseStride] : 0f;
        }
        if (dropout != null) {
            drop(row + i, i * PITCH, first);
        }
        tiles.softmaxGradient(probabilities, gradients, i * PITCH, TILE, visible, lse, delta, i);
        for (int j = 0; dropout != null && j < rows; j++) {
            int at = (i + j) * PITCH;
            kernels.multiply(probabilities, at, keep, j * PITCH, probabilities, at, visible[j]);
        }
        for (int column = 0; column < padded; column += width) {
            int keyAt = column * head.tk() + first * width;
            tiles.product(gradients, i * PITCH, keys, keyAt, seen, dQuery, i * padded + column, padded, first > 0);
        }
    }

    /** Applies dropout to the strip's gradients at {@code at}, and leaves its factors for the probabilities. */
    private void drop(int row, int at, int first) {
        for (int j = 0; j < rows; j++) {
            int kept = j * PITCH;
            dropout.attentionRow(head.first() + row + j, head.blocksPerRow(), first, visible[j], keep, kept);
            kernels.multiply(gradients, at + kept, keep, kept, gradients, at + kept, visible[j]);
        }
    }

    /** Adds to dV and dK of a group of keys, from the queries of the tile that see them. */
    private void keyGroup(int row, int count, int first, int key) {
        int start = 0;
        if (inputs.causal()) {
            int earliest = first + key - (head.tk() - head.tq()) - row;
            start = Math.max(0, earliest) / rows * rows;
        }
        int queries = roundUp(count, rows) - start;
        if (queries <= 0) {
            return;
        }
        int at = start * PITCH + key;
        tiles.pack(probabilities, at, PITCH, queries, group);
        for (int column = 0; column < valuePadded; column += width) {
            int to = (first + key) * valuePadded + column;
            tiles.packedProduct(
                    group, dOutPanels, column * tileRows + start * width, queries, dValues, to, valuePadded);
        }
        tiles.pack(gradients, at, PITCH, queries, group);
        for (int column = 0; column < padded; column += width) {
            int to = (first + key) * padded + column;
            tiles.packedProduct(group, queryPanels, column * tileRows + start * width, queries, dKeys, to, padded);
        }
    }

    private void storeRows(float[] from, int fromStride, int row, int count, float factor, Tensor to) {
        int n = to.size(3);
        int toStride = (int) to.stride(2);
        int at = head.at(to) + row * toStride;
        tiles.scale(from, 0, fromStride, floats(to), at, toStride, count, n, factor);
    }
}
