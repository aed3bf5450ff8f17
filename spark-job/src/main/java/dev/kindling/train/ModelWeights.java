package dev.kindling.train;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.TensorSlice;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Moves weights and moments between the flat device buffers and the named tensors of a {@link Checkpoint}. */
public final class ModelWeights {
    private final Parameters parameters;

    public ModelWeights(Parameters parameters) {
        this.parameters = parameters;
    }

    Map<String, TensorSlice> model() {
        return slices("", parameters.download());
    }

    Map<String, TensorSlice> optimizer(AdamW adamW, Device device) {
        Map<String, TensorSlice> all = slices("m.", download(adamW.firstMoments(), device));
        all.putAll(slices("v.", download(adamW.secondMoments(), device)));
        return all;
    }

    private static float[] download(Tensor tensor, Device device) {
        float[] flat = new float[Math.toIntExact(tensor.count())];
        device.download(tensor, flat);
        return flat;
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

    /** @throws CheckpointException if a weight is missing or has another shape than the configuration says */
    public void load(Checkpoint checkpoint) throws CheckpointException {
        parameters.load(flat("", checkpoint.model()));
    }

    void load(Checkpoint checkpoint, AdamW adamW, Device device) throws CheckpointException {
        load(checkpoint);
        device.upload(flat("m.", checkpoint.optimizer()), adamW.firstMoments());
        device.upload(flat("v.", checkpoint.optimizer()), adamW.secondMoments());
    }

    private float[] flat(String prefix, Map<String, TensorSlice> tensors) throws CheckpointException {
        float[] flat = new float[Math.toIntExact(parameters.count())];
        for (Parameters.Entry entry : parameters.entries()) {
            TensorSlice tensor = tensors.get(prefix + entry.name());
            int[] expected = savedShape(entry);
            if (tensor == null || !Arrays.equals(tensor.shape(), expected)) {
                throw new CheckpointException(
                        "the checkpoint's tensor %s is %s, and the model needs %s; use the model section it was trained with"
                                .formatted(
                                        prefix + entry.name(),
                                        tensor == null ? "missing" : Arrays.toString(tensor.shape()),
                                        Arrays.toString(expected)));
            }
            tensor.copyTo(flat, (int) entry.offset());
        }
        return flat;
    }
}
