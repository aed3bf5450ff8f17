package dev.kindling.device.cuda.library;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
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
    private static final Map<Integer, String> ADVICE = Map.of(
            CUresult.CUDA_ERROR_OUT_OF_MEMORY,
            "the GPU has too little free memory; lower train.micro_batch or free the GPU (nvidia-smi lists its users)",
            CUresult.CUDA_ERROR_NO_DEVICE,
            "no GPU is visible; check nvidia-smi and CUDA_VISIBLE_DEVICES",
            CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
            "a kernel read or wrote out of bounds; this process's GPU context is lost, restart it",
            CUresult.CUDA_ERROR_LAUNCH_FAILED,
            "a kernel crashed; this process's GPU context is lost, restart it",
            CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU,
            "a kernel was compiled for another GPU; delete the kernel cache folder",
            CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
            "the kernel module and libcuda differ in version; reboot after a driver update",
            CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE,
            "another process owns the GPU exclusively; see nvidia-smi -q -d COMPUTE");

    private CudaCall() {}

    /** Throws a {@link CudaException} unless a driver call's result is success. */
    @FormatMethod
    public static void check(int result, String what, Object... arguments) {
        if (result != CUresult.CUDA_SUCCESS) {
            throw failure("CUDA driver", CUresult.stringFor(result), result, ADVICE.get(result), what, arguments);
        }
    }

    /** The same for NVRTC. */
    @FormatMethod
    static void checkNvrtc(int result, String what, Object... arguments) {
        if (result != nvrtcResult.NVRTC_SUCCESS) {
            throw failure("NVRTC", nvrtcResult.stringFor(result), result, null, what, arguments);
        }
    }

    /** The same for cuBLAS. */
    @FormatMethod
    public static void checkCublas(int result, String what, Object... arguments) {
        if (result != cublasStatus.CUBLAS_STATUS_SUCCESS) {
            String advice = result == cublasStatus.CUBLAS_STATUS_ALLOC_FAILED
                    ? "the GPU has too little free memory; lower train.micro_batch"
                    : null;
            throw failure("cuBLAS", cublasStatus.stringFor(result), result, advice, what, arguments);
        }
    }

    @FormatMethod
    private static CudaException failure(
            String library, String name, int code, String advice, @FormatString String what, Object... arguments) {
        return new CudaException(String.format(
                Locale.ROOT,
                "%s could not %s: %s (%d)%s",
                library,
                String.format(Locale.ROOT, what, arguments),
                name,
                code,
                advice == null ? "" : "; " + advice));
    }
}
