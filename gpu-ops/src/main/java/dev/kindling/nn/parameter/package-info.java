/**
 * The parameters of a model: from its sizes, their names, shapes and places in one flat buffer, their initial values, and
 * the part of them that one rank updates.
 *
 * <p>In: {@link dev.kindling.nn.parameter.GptConfig}. Out: {@link dev.kindling.nn.parameter.Parameters}, which layers,
 * the optimizer, the gradient exchange and checkpoints share. Used by the thread that uses the device; only the initial
 * weights are drawn on the threads of the common pool.
 */
package dev.kindling.nn.parameter;
