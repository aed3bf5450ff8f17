/**
 * Generations of ranks: rendezvous, heartbeats, fencing, bounded waits and the first cause. The driver's side is {@link
 * dev.kindling.coordinate.Coordinator}, an executor's {@link dev.kindling.coordinate.RankSession}; they talk over Spark's
 * plugin API, so there is no port of our own on the control plane and Spark's security applies.
 */
package dev.kindling.coordinate;
