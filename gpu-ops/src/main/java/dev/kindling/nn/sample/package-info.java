/**
 * Generation of text: {@link dev.kindling.nn.sample.TextGenerator} continues prompts with a model, one token after the
 * other, drawn as {@link dev.kindling.nn.sample.Sampling} says (temperature, top-k, top-p).
 *
 * <p>In: token ids of prompts. Out: token ids that follow them, the same for the same seed. Used by the thread that uses
 * the device.
 */
package dev.kindling.nn.sample;
