package dev.kindling.nn;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Device;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/**
 * Hands out the activations of a {@link Gpt}. When training, what backward needs is kept for each layer, unless it is
 * computed again ({@link Recompute}); everything else is one tensor per name, which all layers overwrite in turn. Models
 * over the same workspace have the same activations.
 */
final class Workspace {
    private final Arena arena;
    private final Device device;
    private final int rows;
    private final boolean training;
    private final boolean evaluating;
    private final Activations activations;
    private final Map<String, Tensor> tensors;

    /** @param activations of training; null for inference, which keeps nothing and makes all logits at once */
    Workspace(Device device, Arena arena, int rows, Activations activations) {
        this.arena = arena;
        this.device = device;
        this.rows = rows;
        training = activations != null;
        evaluating = false;
        this.activations = training ? activations : Activations.WHOLE;
        tensors = new HashMap<>();
    }

    private Workspace(Workspace other, Activations activations) {
        arena = other.arena;
        device = other.device;
        rows = other.rows;
        training = other.training;
        evaluating = true;
        this.activations = activations;
        tensors = other.tensors;
    }

    /**
     * The same memory for a model that is only evaluated, beside one that trains in FP8: it has what that keeps in FP8 alone, of
     * layernorms and GELU, once for all layers, and no gradients.
     */
    Workspace evaluating() {
        Recompute recompute = recompute() == Recompute.NONE ? Recompute.GELU : recompute();
        return new Workspace(this, new Activations(recompute, activations.headRows()));
    }

    Device device() {
        return device;
    }

    /** Whether there are gradients. */
    boolean training() {
        return training && !evaluating;
    }

    Recompute recompute() {
        return activations.recompute();
    }

    /** Rows of logits that exist at a time. */
    int headRows() {
        return activations.headRows() == 0 ? rows : Math.min(rows, activations.headRows());
    }

    /** A (rows, columns) activation of a module, e.g. "h.3.mlp", for its backward. */
    Tensor kept(String module, String name, long columns) {
        return shared(owned(module, name), columns);
    }

    /** A layernorm's result, (rows, columns), for backward. */
    Tensor norm(String module, long columns) {
        return evaluating ? shared("norm", columns) : kept(module, "norm", columns);
    }

    /** A (rows, columns) activation from which backward computes others again; that of every module is kept. */
    Tensor input(String module, String name, long columns) {
        return shared(training ? module + "." + name : name, columns);
    }

    /** A (rows, columns) activation that may be overwritten once its one reader has run. */
    Tensor shared(String name, long columns) {
        return tensor(name, device.activationType(), Shape.of(rows, columns));
    }

    /** A (rows) F32 tensor of a module, for its backward. */
    Tensor keptFloats(String module, String name) {
        return kept(module, name, DType.F32, Shape.of(rows));
    }

    Tensor kept(String module, String name, DType dtype, Shape shape) {
        return tensor(owned(module, name), dtype, shape);
    }

    /** The name under which a module keeps an activation: its own, or that of its place in every layer. */
    private String owned(String module, String name) {
        if (!training) {
            return name;
        }
        boolean again = recompute() == Recompute.LAYER;
        return (again ? module.substring(module.lastIndexOf('.') + 1) : module) + "." + name;
    }

    /** The boundaries of a pack's sequences. */
    AttentionInputs.Sequences sequences(BatchShape shape) {
        Tensor cumulative = tensor("cumulative lengths", DType.I32, Shape.of(shape.packedSequences() + 1L));
        return new AttentionInputs.Sequences(cumulative, shape.packedSequences(), shape.length());
    }

    /** The tensor of a name; asked for again under a smaller shape, it is the beginning of the same memory. */
    Tensor tensor(String name, DType dtype, Shape shape) {
        Tensor tensor = tensors.computeIfAbsent(name, key -> arena.allocate(key, dtype, shape));
        return tensor.shape().equals(shape) ? tensor : Tensor.dense(tensor.buffer(), tensor.offset(), shape);
    }
}
