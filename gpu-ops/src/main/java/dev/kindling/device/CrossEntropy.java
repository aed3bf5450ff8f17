package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * losses[n] = logsumexp(logits[n, :V]) - logits[n, targets[n]], 0 where the target is -1 (ignored).
 *
 * @param logits (N, Vp) activation type, Vp >= V padded
 * @param targets (N) I32 in -1 .. V-1
 * @param vocabulary V
 * @param losses (N) F32, overwritten
 */
public record CrossEntropy(Tensor logits, Tensor targets, int vocabulary, Tensor losses) {}
