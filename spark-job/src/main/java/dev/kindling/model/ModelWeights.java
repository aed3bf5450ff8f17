package dev.kindling.model;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.TensorSlice;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.optim.AdamW;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Moves weights and moments between the flat device buffers and the named tensors of a {@link Checkpoint}. */
public final class ModelWeights {
    private final Parameters parameters;

    public ModelWeights(Parameters parameters) {
        this.parameters = parameters;
    }

    public Map<String, TensorSlice> model(Snapshot snapshot) {
        return slices("", snapshot.weights());
    }

    public Map<String, TensorSlice> optimizer(Snapshot snapshot) {
        Map<String, TensorSlice> all = slices("m.", snapshot.first());
        all.putAll(slices("v.", snapshot.second()));
        return all;
    }

    private Map<String, TensorSlice> slices(String prefix, float[] flat) {
        Map<String, TensorSlice> slices = new LinkedHashMap<>();
        for (Parameters.Entry entry : parameters.entries()) {
            slices.put(prefix + entry.name(), new TensorSlice(savedShape(entry), flat, (int) entry.offset()));
        }
        return slices;
    }

    /** The shape in files: that of the weight, without the padding of the vocabulary. */
    private int[] savedShape(Parameters.Entry entry) {
        int[] shape = Arrays.stream(entry.shape().toArray())
                .mapToInt(Math::toIntExact)
                .toArray();
        if (entry.name().equals("wte.weight")) {
            shape[0] = parameters.config().vocabulary();
        }
        return shape;
    }

    /**
     * Overwrites all weights with the checkpoint's.
     *
     * @throws CheckpointException if a weight is missing or has another shape than the configuration says
     */
    public void load(Checkpoint checkpoint) throws CheckpointException {
        parameters.load(flat("", checkpoint.model(), parameters.all()));
    }

    /**
     * Overwrites all weights, and the moments of those that {@code adamW} updates on this rank.
     *
     * @throws CheckpointException as the other
     */
    public void load(Checkpoint checkpoint, AdamW adamW, Device device) throws CheckpointException {
        load(checkpoint);
        for (Range range : parameters.own()) {
            long at = parameters.ownOffset(range);
            device.upload(
                    flat("m.", checkpoint.optimizer(), range),
                    adamW.firstMoments().slice(0, at, range.length()));
            device.upload(
                    flat("v.", checkpoint.optimizer(), range),
                    adamW.secondMoments().slice(0, at, range.length()));
        }
    }

    private float[] flat(String prefix, Map<String, TensorSlice> tensors, Range range) throws CheckpointException {
        float[] flat = new float[Math.toIntExact(range.length())];
        for (Parameters.Entry entry : parameters.entries()) {
            TensorSlice tensor = tensors.get(prefix + entry.name());
            int[] expected = savedShape(entry);
            if (tensor == null || !Arrays.equals(tensor.shape(), expected)) {
                throw new CheckpointException(String.format(
                        Locale.ROOT,
                        "the checkpoint's tensor %s is %s, and the model needs %s; use the model section it was trained with",
                        prefix + entry.name(),
                        tensor == null ? "missing" : Arrays.toString(tensor.shape()),
                        Arrays.toString(expected)));
            }
            Range part = new Range(entry.offset(), tensor.count()).intersect(range);
            int at = (int) (part.offset() - entry.offset());
            FloatBuffer elements = tensor.elements().slice(at, (int) part.length());
            if (elements.hasRemaining()) {
                elements.get(flat, (int) (part.offset() - range.offset()), elements.remaining());
            }
        }
        return flat;
    }
}
