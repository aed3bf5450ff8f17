/**
 * The model: GPT-2 as nanoGPT builds it.
 *
 * <p>In: token ids and targets of a micro-batch, and {@link dev.kindling.nn.parameter.Parameters}, which hold all weights in one
 * flat buffer and all gradients in another. Out: logits, losses and, after backward, the accumulated gradients. Each
 * layer is a class with its forward and its backward side by side; there is no autograd tape. {@link
 * dev.kindling.nn.GptDecoder} gives the logits of one more token, with a cache of keys and values.
 *
 * <p>Called by the training step, evaluation, scoring and generation. A model enqueues work on its device, and is used by
 * the thread that uses the device.
 */
package dev.kindling.nn;
