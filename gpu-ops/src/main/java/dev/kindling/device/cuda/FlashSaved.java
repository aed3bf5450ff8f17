package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * The parts of what FLASH's forward pass saves.
 *
 * @param logSumExp (B, H, Tq)
 * @param keptScores address of the scores that dropout keeps, a bit each; 0 where none are saved
 */
record FlashSaved(Tensor logSumExp, long keptScores) {
    static FlashSaved of(AttentionInputs inputs, Tensor saved) {
        Shape rows = logSumExpShape(inputs);
        Tensor logSumExp = Tensor.dense(saved.buffer(), saved.offset(), rows);
        return new FlashSaved(
                logSumExp, saved.count() > rows.count() ? CudaBuffer.address(saved) + keptScoresAt(rows) : 0);
    }

    /** The shape with so many bytes of kept scores. */
    static Shape shape(AttentionInputs inputs, long keptBytes) {
        Shape rows = logSumExpShape(inputs);
        return keptBytes == 0 ? rows : Shape.of((keptScoresAt(rows) + keptBytes) / Float.BYTES);
    }

    private static Shape logSumExpShape(AttentionInputs inputs) {
        Shape query = inputs.query().shape();
        return Shape.of(query.extent(0), query.extent(1), query.extent(2));
    }

    private static long keptScoresAt(Shape rows) {
        return CudaMemory.aligned(Float.BYTES * rows.count());
    }
}
