package dev.kindling.device.cuda;

import dev.kindling.device.EmbeddingOp;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** embedding.cu: rows of two tables; backward sorts the rows by index on the device and sums in that order. */
final class CudaEmbedding {
    private static final int CHUNK = 1024;

    private final CudaContext context;

    CudaEmbedding(CudaContext context) {
        this.context = context;
    }

    void forward(EmbeddingOp op, Tensor y) {
        TensorChecks.dense(op.tokens(), op.positions(), op.tokenTable(), op.positionTable(), y);
        TensorChecks.type(DType.I32, op.tokens(), op.positions());
        TensorChecks.type(y.dtype(), op.tokenTable(), op.positionTable());
        int channels = op.tokenTable().size(-1);
        int rows = TensorChecks.rows(y, channels);
        TensorChecks.count(rows, op.tokens(), op.positions());
        CudaModule module = module(y.dtype(), channels, op.tokenTable().size(0));
        LaunchArguments arguments = context.arguments()
                .add(CudaContext.aligned(y))
                .add(CudaBuffer.address(op.tokens()))
                .add(CudaBuffer.address(op.positions()))
                .add(CudaContext.aligned(op.tokenTable()))
                .add(CudaContext.aligned(op.positionTable()))
                .add((long) rows);
        arguments.add(op.dropout()).add(context.state().address());
        context.launch(
                module.kernel("embedding_forward"),
                Grid.cover(y.count(), 256 * module.number("embedding_vector"), 256));
    }

    void backward(EmbeddingOp op, Tensor dy, Tensor dTokenTable, Tensor dPositionTable) {
        TensorChecks.dense(op.tokens(), op.positions(), dy, dTokenTable, dPositionTable);
        TensorChecks.type(DType.F32, dTokenTable, dPositionTable);
        scatter(op, op.tokens(), dy, dTokenTable);
        if (op.period() > 0) {
            sumRepeats(op, dy, dPositionTable);
        } else {
            scatter(op, op.positions(), dy, dPositionTable);
        }
    }

    /** table[t] += the sum of dropout(dy[b period + t]) over b. */
    private void sumRepeats(EmbeddingOp op, Tensor dy, Tensor table) {
        int channels = table.size(-1);
        int rows = TensorChecks.rows(dy, channels);
        if (rows == 0) {
            return;
        }
        CudaModule module = module(dy.dtype(), channels, op.tokenTable().size(0));
        LaunchArguments arguments = context.arguments()
                .add(CudaBuffer.address(table))
                .add(CudaContext.aligned(dy))
                .add(rows / op.period())
                .add(op.period());
        arguments.add(op.dropout()).add(context.state().address());
        int perBlock = 32 * module.number("embedding_vector");
        long blocks = ((long) op.period() * channels + perBlock - 1) / perBlock;
        context.launch(
                module.kernel("embedding_backward_positions"), new Grid(Math.toIntExact(blocks), 1, 1, 32, 8, 0));
    }

    /** table[indices[n]] += dropout(dy[n]) for all n. */
    private void scatter(EmbeddingOp op, Tensor indices, Tensor dy, Tensor table) {
        int channels = table.size(-1);
        int entries = table.size(0);
        int rows = TensorChecks.rows(dy, channels);
        TensorChecks.count(rows, indices);
        if (rows == 0) {
            return;
        }
        int chunks = (rows + CHUNK - 1) / CHUNK;
        CudaModule module = module(dy.dtype(), channels, entries);
        long rank = context.scratch(4L * (2L * rows + (long) chunks * entries + 3L * entries + 2));
        long counts = rank + 4L * rows;
        long totals = counts + 4L * chunks * entries;
        long starts = totals + 4L * entries;
        long present = starts + 4L * (entries + 1);
        long order = present + 4L * (entries + 1);
        long at = CudaBuffer.address(indices);
        context.arguments().add(rank).add(counts).add(at).add(rows);
        context.launch(module.kernel("embedding_count"), Grid.of(chunks, CHUNK));
        context.arguments().add(counts).add(totals).add(chunks);
        context.launch(module.kernel("embedding_prefix"), Grid.cover(entries, 256, 256));
        context.arguments().add(starts).add(present).add(totals);
        context.launch(module.kernel("embedding_scan"), Grid.of(1, 1024));
        context.arguments().add(order).add(starts).add(counts).add(rank).add(at).add(rows);
        context.launch(module.kernel("embedding_place"), Grid.of(chunks, CHUNK));
        LaunchArguments arguments = context.arguments()
                .add(CudaBuffer.address(table))
                .add(CudaContext.aligned(dy))
                .add(order)
                .add(starts)
                .add(present);
        arguments.add(op.dropout()).add(context.state().address());
        int perBlock = 32 * module.number("embedding_vector");
        int blocks = Math.min(Math.min(entries, rows), 1024);
        context.launch(
                module.kernel("embedding_backward_tokens"),
                new Grid(blocks, (channels + perBlock - 1) / perBlock, 1, 32, 16, 0));
    }

    private CudaModule module(DType type, int channels, int entries) {
        return context.module("embedding", type, "CHANNELS", channels, "VOCABULARY", entries);
    }
}
