package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/**
 * Hands out the activations of a {@link Gpt}. When training, what backward needs is kept for each layer; everything
 * else is one tensor per name, which all layers overwrite in turn.
 */
final class Workspace {
    private final Arena arena;
    private final Device device;
    private final int rows;
    private final boolean training;
    private final Map<String, Tensor> tensors = new HashMap<>();

    Workspace(Device device, Arena arena, int rows, boolean training) {
        this.arena = arena;
        this.device = device;
        this.rows = rows;
        this.training = training;
    }

    boolean training() {
        return training;
    }

    /** A (rows, columns) activation, kept for the backward of {@code layer}. */
    Tensor kept(String layer, String name, long columns) {
        return shared(training ? layer + "." + name : name, columns);
    }

    /** A (rows, columns) activation that may be overwritten once its one reader has run. */
    Tensor shared(String name, long columns) {
        return tensor(name, device.activationType(), Shape.of(rows, columns));
    }

    /** A (rows) F32 tensor, kept for the backward of {@code layer}. */
    Tensor keptFloats(String layer, String name) {
        return kept(layer, name, DType.F32, Shape.of(rows));
    }

    Tensor kept(String layer, String name, DType dtype, Shape shape) {
        return tensor(training ? layer + "." + name : name, dtype, shape);
    }

    private Tensor tensor(String name, DType dtype, Shape shape) {
        return tensors.computeIfAbsent(name, key -> arena.allocate(key, dtype, shape));
    }
}
