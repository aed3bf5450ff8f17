/**
 * The device on an NVIDIA GPU: kernels of our own in {@code resources/kernels}, and cuBLAS for matrix products.
 *
 * <p>In: tensors and operation records of {@code device}. Out: work on the device's one stream, which {@link
 * dev.kindling.device.cuda.CudaDevice#synchronize} waits for. {@code CudaOps} hands every operation to the class of its kernel
 * file ({@code CudaGelu} launches {@code gelu.cu}); {@code KernelModules} compiles a file at first use, with shapes as
 * constants, and checks that the structs which the kernels take are those that Java fills ({@code KernelStructs}). {@code
 * CudaGraph} is the compiled step: everything that a run enqueues, captured once and launched at once.
 *
 * <p>Only this package and those below it know JCuda. A device is used by one thread at a time; the CUDA context is bound on
 * entry, since Spark's tasks change threads. It starts no threads.
 */
package dev.kindling.device.cuda;
