package dev.kindling.checkpoint;

import dev.kindling.interop.TensorContent;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * All that a run needs to go on from a step as if it had never stopped. Tensors are read when they are asked for, a piece
 * at a time, from wherever they lie.
 *
 * @param state what is not a tensor
 * @param model parameters, by their names in Hugging Face's GPT-2 without the leading {@code transformer.}:
 *     {@code wte.weight}, {@code wpe.weight}, {@code h.0.ln_1.weight}, {@code h.0.attn.c_attn.weight} ...
 *     {@code ln_f.weight}; weights of products are (in, out)
 * @param optimizer AdamW's moments, {@code m.NAME} and {@code v.NAME} for each parameter
 */
public record Checkpoint(
        CheckpointState state, Map<String, TensorContent> model, Map<String, TensorContent> optimizer) {
    /** Hands out all tensors; returns what is not one. */
    public CheckpointState readTo(TensorTarget target) throws IOException {
        for (Map<String, TensorContent> tensors : List.of(model, optimizer)) {
            for (Map.Entry<String, TensorContent> tensor : tensors.entrySet()) {
                TensorContent content = tensor.getValue();
                content.elements().writeTo(target.begin(tensor.getKey(), content.shape()));
            }
        }
        return state;
    }
}
