/**
 * Sums and exchanges between the GPUs of a group of ranks, through NVIDIA's NCCL.
 *
 * <p>In: dense tensors of a {@code CudaDevice}, and the group: its id, this rank, the number of ranks, and whom to ask whether
 * the others are alive. Out: the same tensors summed, scattered or gathered, on a stream beside the device's own, so that a
 * captured step can hold them. {@code NcclCommunicator} is a rank's membership; {@code RankedSum} sums gradients in bf16 in an
 * order of the ranks that is always the same.
 *
 * <p>Called by the gradient exchange of spark-job on the device's thread. Calls of NCCL that may wait for a peer for ever run
 * on a thread of their own ({@code NativeCall}), so that the wait is bounded.
 */
package dev.kindling.device.cuda.nccl;
