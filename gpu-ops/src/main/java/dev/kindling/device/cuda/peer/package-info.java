/**
 * Sums and exchanges between the GPUs of one host, which read each other's memory over NVLink or PCIe.
 *
 * <p>In: dense tensors of a {@code CudaDevice}, the group, and a way to tell all ranks some bytes. Out: the same tensors
 * summed, scattered or gathered. The copy engines move the data, so that the kernels of the backward pass keep their
 * multiprocessors, and a few short kernels add it up in the order of the ranks. {@code PeerCollectives} is a rank's
 * membership, {@code MappedMemory} the memory of the other processes.
 */
package dev.kindling.device.cuda.peer;
