/**
 * From a machine with a driver to compiled kernels: finding CUDA's libraries, loading JCuda's natives against them, and the
 * compiler with its cache on disk.
 *
 * <p>In: the environment ({@code CUDA_HOME}, {@code LD_LIBRARY_PATH}, ...) and a kernel file with its constants. Out: loaded
 * libraries, or one sentence why there are none ({@code CudaLibraries.whyNot}); and cubins ({@code Nvrtc}). {@code CudaCall}
 * turns every code that the driver, NVRTC or cuBLAS returns into an error that names the call.
 *
 * <p>Called by {@code device.cuda}. Libraries are loaded once a process; everything here may be called from any thread, but a
 * compiler belongs to the thread of its device. Processes share the cache: a file of it is written whole or not at all.
 */
package dev.kindling.device.cuda.library;
