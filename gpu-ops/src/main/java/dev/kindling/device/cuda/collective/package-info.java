/**
 * Sums and exchanges between the GPUs of a group of ranks, whatever carries them.
 *
 * <p>In: dense tensors of a {@code CudaDevice}, and the group: this rank, the number of ranks, and whom to ask whether the
 * others are alive. Out: the same tensors summed, scattered or gathered, on a stream beside the device's own, so that a
 * captured step can hold them. {@code Collectives} is the contract; {@code device.cuda.nccl} keeps it by NVIDIA's library,
 * {@code device.cuda.peer} by the memory of GPUs of one host.
 */
package dev.kindling.device.cuda.collective;
