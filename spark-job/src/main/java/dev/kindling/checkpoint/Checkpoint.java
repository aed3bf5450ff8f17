package dev.kindling.checkpoint;

import java.util.Map;

/**
 * All that a run needs to go on from a step as if it had never stopped.
 *
 * @param state what is not a tensor
 * @param model parameters, by their names in Hugging Face's GPT-2 without the leading {@code transformer.}:
 *     {@code wte.weight}, {@code wpe.weight}, {@code h.0.ln_1.weight}, {@code h.0.attn.c_attn.weight} ...
 *     {@code ln_f.weight}; weights of products are (in, out)
 * @param optimizer AdamW's moments, {@code m.NAME} and {@code v.NAME} for each parameter
 */
public record Checkpoint(CheckpointState state, Map<String, TensorSlice> model, Map<String, TensorSlice> optimizer) {}
