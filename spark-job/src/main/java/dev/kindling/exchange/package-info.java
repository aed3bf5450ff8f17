/**
 * How the gradients of all ranks become one sum in every step.
 *
 * <p>In come a rank's gradients, micro-batch after micro-batch, and the {@link dev.kindling.exchange.RankLinks} that
 * {@link dev.kindling.exchange.GpuRendezvous} has connected. Out go, in place, the sums over all ranks; with ZeRO the
 * updated weights of all ranks as well. {@link dev.kindling.exchange.GradientSum} adds up the micro-batches of one rank in
 * the order of {@code train.reduction}; {@link dev.kindling.exchange.GradientExchange} adds up the ranks: over host memory
 * with an {@link dev.kindling.allreduce.AllReduce}, or from GPU to GPU with NCCL, each with the whole optimizer on every
 * rank or with {@link dev.kindling.exchange.ZeroExchange ZeRO}.
 *
 * <p>Called by {@link dev.kindling.train.TrainStep} and {@link dev.kindling.train.Replica} on the training thread of an
 * executor; nothing here is for several threads. Transfers run beside it: on the transport's threads, or on a stream of
 * the GPU.
 */
package dev.kindling.exchange;
