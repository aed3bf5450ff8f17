/**
 * Sums of float arrays over the ranks of one generation, in a fixed order (rank 0 + rank 1 + ...), over Spark's own
 * transport. Knows nothing of models; {@code coordinate} tells it who the peers are and when to give up.
 */
package dev.kindling.allreduce;
