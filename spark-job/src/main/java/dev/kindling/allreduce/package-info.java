/**
 * Sums of float arrays over the ranks of one generation, in a fixed order, so that every rank gets the same bits every
 * time.
 *
 * <p>In: this rank's gradients, bucket by bucket, on the host. Out: their sum over all ranks. Three implementations of
 * {@link dev.kindling.allreduce.AllReduce}: {@code ring} (executor to executor, {@link
 * dev.kindling.allreduce.MeshAllReduce}), {@code driver} (a star through the driver's {@link
 * dev.kindling.allreduce.ReduceServer}), and a world of one rank. Sums between GPUs by NCCL are in {@code
 * device.cuda.nccl}. This package knows nothing of models; {@code coordinate} tells it who the peers are and when to
 * give up.
 *
 * <p>Called by the training thread through {@code exchange}, and by {@code doctor}. {@code ring} has one transport
 * thread that sends, receives and sums while the backward pass goes on; {@code driver} uses the threads of Spark's
 * transport.
 */
package dev.kindling.allreduce;
