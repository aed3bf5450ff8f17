/**
 * The memory that a rank's training takes, before anything of it is allocated, and what would fit: {@code plan}, the
 * {@code auto} of {@code train.recompute} and {@code train.head_chunk}, and the refusal of what does not fit.
 *
 * <p>Needs the configuration and the model's sizes; allocates nothing. Immutable values.
 */
package dev.kindling.plan;
