package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.EmbeddingOp;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuDropout;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuRowScratch;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** {@link EmbeddingOp}. Backward divides columns among threads, so that rows are added in order. */
final class CpuEmbedding {
    /**
     * Columns that a thread takes at a time: a cache line, and a multiple of the eight decisions of one dropout draw.
     */
    private static final int CHUNK = 16;

    private final CpuLoops loops;
    private final CpuStep step;
    private final CpuRowScratch scratch;

    CpuEmbedding(CpuLoops loops, CpuStep step) {
        this.loops = loops;
        this.step = step;
        this.scratch = new CpuRowScratch(loops.threads());
    }

    void forward(EmbeddingOp op, Tensor y) {
        int width = check(op, y);
        float[] tokenTable = floats(op.tokenTable());
        float[] positionTable = floats(op.positionTable());
        float[] out = floats(y);
        boolean drops = op.dropout().active();
        loops.rows(TensorChecks.rows(y), width, (worker, from, to) -> {
            CpuDropout dropout = new CpuDropout(op.dropout(), step);
            for (int row = from; row < to; row++) {
                int token = offset(op.tokenTable()) + width * index(op.tokens(), row, op.tokenTable());
                int position = offset(op.positionTable()) + width * index(op.positions(), row, op.positionTable());
                int at = offset(y) + row * width;
                loops.kernels().sum(tokenTable, token, positionTable, position, out, at, width);
                if (drops) {
                    dropout.elements((long) row * width, out, at, out, at, width);
                }
            }
        });
    }

    void backward(EmbeddingOp op, Tensor dy, Tensor dTokenTable, Tensor dPositionTable) {
        int width = check(op, dy);
        TensorChecks.dense(DType.F32, op.tokenTable().count(), dTokenTable);
        TensorChecks.dense(DType.F32, op.positionTable().count(), dPositionTable);
        int rows = TensorChecks.rows(dy);
        int chunks = (width + CHUNK - 1) / CHUNK;
        loops.rows(chunks, (long) rows * CHUNK, (worker, from, to) -> {
            int column = from * CHUNK;
            int count = Math.min(width, to * CHUNK) - column;
            columns(op, dy, dTokenTable, dPositionTable, column, count, scratch.row(worker, count));
        });
    }

    private void columns(
            EmbeddingOp op, Tensor dy, Tensor dTokenTable, Tensor dPositionTable, int column, int count, float[] row) {
        int width = dy.size(-1);
        CpuDropout dropout = new CpuDropout(op.dropout(), step);
        float[] tokens = floats(dTokenTable);
        float[] positions = floats(dPositionTable);
        float[] source = floats(dy);
        int rows = TensorChecks.rows(dy);
        for (int n = 0; n < rows; n++) {
            int at = offset(dy) + n * width + column;
            if (op.dropout().active()) {
                dropout.elements((long) n * width + column, floats(dy), at, row, 0, count);
                source = row;
                at = 0;
            }
            int token = offset(dTokenTable) + width * index(op.tokens(), n, op.tokenTable()) + column;
            int position = offset(dPositionTable) + width * index(op.positions(), n, op.positionTable()) + column;
            loops.kernels().add(source, at, tokens, token, count);
            loops.kernels().add(source, at, positions, position, count);
        }
    }

    private static int index(Tensor indices, int row, Tensor table) {
        int index = CpuBuffer.ints(indices)[offset(indices) + row];
        if (index < 0 || index >= table.size(0)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%s[%d] is %d, outside of the %d rows of %s",
                    indices.buffer().name(),
                    row,
                    index,
                    table.size(0),
                    table));
        }
        return index;
    }

    private static int check(EmbeddingOp op, Tensor y) {
        int width = y.size(-1);
        int rows = TensorChecks.rows(y);
        TensorChecks.dense(DType.F32, y.count(), y);
        TensorChecks.dense(DType.I32, rows, op.tokens(), op.positions());
        TensorChecks.dense(DType.F32, (long) op.tokenTable().size(0) * width, op.tokenTable());
        TensorChecks.dense(DType.F32, (long) op.positionTable().size(0) * width, op.positionTable());
        return width;
    }
}
