/**
 * Runs one function on every rank of a Spark cluster, again and again until it ends well: generations, rendezvous,
 * heartbeats, fencing, bounded waits and the first cause of a failure.
 *
 * <p>In: a {@link dev.kindling.coordinate.GenerationPlan}, a {@link dev.kindling.coordinate.GenerationBody} for the ranks and
 * {@link dev.kindling.coordinate.TopicHandlers} for the driver. Out: rank 0's result with the history of the generations, or
 * an exception whose message is the first cause. Training, comparisons and the doctor call it.
 *
 * <p>A generation is one barrier job. {@link dev.kindling.coordinate.Generations} waits for slots, submits it and watches
 * it; {@code RankTask} is the Spark task of a rank, which joins the rendezvous, gets its allreduce and runs the body with a
 * {@link dev.kindling.coordinate.RankSession}. When a rank fails, hangs or dies, all others are told to stop, and the next
 * generation begins at the newest step that its ranks still hold, or that is committed. Every message carries the number of
 * its generation, and the driver answers those of another one with "stop" (fencing), so that a process that was frozen cannot
 * disturb its replacement.
 *
 * <p>Ranks and driver talk over an endpoint of Spark's RPC, without a port of our own, so Spark's security applies.
 *
 * <p>Threads. On the driver: the caller of {@code Generations.run} watches; the endpoint's thread answers ranks and never
 * blocks; Spark's listener thread tells of executors that are gone; one thread of the {@link
 * dev.kindling.coordinate.Coordinator} runs the handlers. On an executor, for each rank: Spark's task thread runs the body;
 * one daemon thread sends heartbeats, another one reports.
 */
package dev.kindling.coordinate;
