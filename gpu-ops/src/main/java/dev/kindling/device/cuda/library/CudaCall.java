package dev.kindling.device.cuda.library;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import dev.kindling.tensor.DeviceMemoryException;
import java.util.Locale;
import java.util.Map;
import jcuda.driver.CUresult;
import jcuda.jcublas.cublasStatus;
import jcuda.nvrtc.nvrtcResult;

/**
 * The one checked door to the driver, NVRTC and cuBLAS: {@code CudaCall.check(cuMemAlloc(p, bytes), "allocate %,d bytes
 * for %s", bytes, name)}. JCuda's own exceptions stay off: they would throw before a failed compile's log is read.
 */
public final class CudaCall {
    private static final String MEMORY_ADVICE =
            "the GPU has too little free memory; lower train.micro_batch or free the GPU (nvidia-smi lists its users)";
    private static final Map<Integer, String> ADVICE = Map.of(
            CUresult.CUDA_ERROR_NO_DEVICE,
            "no GPU is visible; check nvidia-smi and CUDA_VISIBLE_DEVICES",
            CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU,
            "a kernel was compiled for another GPU; delete the kernel cache folder",
            CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
            "the kernel module and libcuda differ in version; reboot after a driver update",
            CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE,
            "another process owns the GPU exclusively; see nvidia-smi -q -d COMPUTE");

    /** CUDA_ERROR_CONTAINED, of CUDA 12.8 and later, which JCuda has no name for. */
    private static final int CONTAINED = 226;

    /**
     * The sticky codes, each with what has happened: once one of them is returned, every later call of this process on the
     * GPU returns it as well, until the process ends (CUDA driver API, CUresult).
     */
    private static final Map<Integer, String> STICKY = Map.ofEntries(
            Map.entry(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, "a kernel read or wrote out of bounds"),
            Map.entry(CUresult.CUDA_ERROR_MISALIGNED_ADDRESS, "a kernel read or wrote at a misaligned address"),
            Map.entry(CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE, "a kernel read or wrote in the wrong address space"),
            Map.entry(CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION, "a kernel met an illegal instruction"),
            Map.entry(CUresult.CUDA_ERROR_INVALID_PC, "a kernel jumped out of its code"),
            Map.entry(CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR, "a kernel's call stack is corrupt or too large"),
            Map.entry(CUresult.CUDA_ERROR_ASSERT, "an assertion in a kernel failed"),
            Map.entry(CUresult.CUDA_ERROR_LAUNCH_FAILED, "a kernel crashed"),
            Map.entry(CUresult.CUDA_ERROR_LAUNCH_TIMEOUT, "the driver ended a kernel that ran too long"),
            Map.entry(
                    CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
                    "the GPU's memory has an error that ECC cannot correct; if it comes again, replace the GPU (nvidia-smi -q -d ECC)"),
            Map.entry(CONTAINED, "the GPU contained an error of its memory or hardware; see dmesg for its Xid"),
            Map.entry(
                    CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
                    "NVLink has an error that it cannot correct; see nvidia-smi nvlink --errorcounters"),
            Map.entry(CUresult.CUDA_ERROR_EXTERNAL_DEVICE, "a device outside of the GPU failed it"),
            Map.entry(CUresult.CUDA_ERROR_MPS_CLIENT_TERMINATED, "the MPS server ended this client"),
            Map.entry(CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED, "the GPU's context was destroyed"));

    private CudaCall() {}

    /** Whether a driver call's result means that this process can do nothing more on the GPU. */
    static boolean isSticky(int result) {
        return STICKY.containsKey(result);
    }

    /**
     * Throws a {@link CudaException} unless a driver call's result is success.
     *
     * @throws DeviceMemoryException if the GPU has too little memory for what the call makes, a graph or a module
     */
    @FormatMethod
    public static void check(int result, String what, Object... arguments) {
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw new DeviceMemoryException(
                    message("CUDA driver", CUresult.stringFor(result), result, null, what, arguments),
                    MEMORY_ADVICE,
                    0);
        }
        if (result != CUresult.CUDA_SUCCESS) {
            String advice = isSticky(result)
                    ? STICKY.get(result) + "; this process's GPU context is lost, restart the process"
                    : ADVICE.get(result);
            String message = message("CUDA driver", CUresult.stringFor(result), result, advice, what, arguments);
            throw new CudaException(message, isSticky(result));
        }
    }

    /** The same for NVRTC. */
    @FormatMethod
    static void checkNvrtc(int result, String what, Object... arguments) {
        if (result != nvrtcResult.NVRTC_SUCCESS) {
            throw new CudaException(message("NVRTC", nvrtcResult.stringFor(result), result, null, what, arguments));
        }
    }

    /** The same for cuBLAS. */
    @FormatMethod
    public static void checkCublas(int result, String what, Object... arguments) {
        if (result != cublasStatus.CUBLAS_STATUS_SUCCESS) {
            String failure = message("cuBLAS", cublasStatus.stringFor(result), result, null, what, arguments);
            if (result == cublasStatus.CUBLAS_STATUS_ALLOC_FAILED) {
                throw new DeviceMemoryException(failure, MEMORY_ADVICE, 0);
            }
            throw new CudaException(failure);
        }
    }

    @FormatMethod
    private static String message(
            String library, String name, int code, String advice, @FormatString String what, Object... arguments) {
        return String.format(
                Locale.ROOT,
                "%s could not %s: %s (%d)%s",
                library,
                String.format(Locale.ROOT, what, arguments),
                name,
                code,
                advice == null ? "" : "; " + advice);
    }
}
