package dev.kindling.device.cuda.library;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.tensor.DeviceMemoryException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CudaCallTest {
    @Test
    void successPasses() {
        assertThatCode(() -> {
                    CudaCall.check(0, "allocate %d", 1);
                    CudaCall.checkNvrtc(0, "compile");
                    CudaCall.checkCublas(0, "multiply");
                })
                .doesNotThrowAnyException();
    }

    @Test
    void aDriverCodeIsDecodedWithCallAndAdvice() {
        assertThatThrownBy(() -> CudaCall.check(2, "allocate %,d bytes for %s", 1 << 20, "activations/h.0"))
                .isInstanceOf(DeviceMemoryException.class)
                .hasMessage(
                        "CUDA driver could not allocate 1,048,576 bytes for activations/h.0: CUDA_ERROR_OUT_OF_MEMORY"
                                + " (2); the GPU has too little free memory; lower train.micro_batch or free the GPU"
                                + " (nvidia-smi lists its users)");
        assertThatThrownBy(() -> CudaCall.check(700, "launch kernel gelu_forward"))
                .hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS")
                .hasMessageContaining("restart");
    }

    /** By their numbers in cuda.h: those after which the process has to go, and others that a process outlives. */
    @ParameterizedTest
    @ValueSource(ints = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 810, 911})
    void aStickyCodeTellsOfALostContext(int code) {
        assertThat(CudaCall.isSticky(code)).isTrue();
        Throwable failure = catchThrowable(() -> CudaCall.check(code, "launch kernel gelu_forward"));
        assertThat(failure).hasMessageContaining("(" + code + "); ").hasMessageContaining("restart the process");
        assertThat(CudaException.tellsOfLostContext(failure)).isTrue();
        assertThat(CudaException.tellsOfLostContext(new IllegalStateException("step 7", failure)))
                .isTrue();
        Throwable hidden = catchThrowable(() -> CudaCall.checkCublas(13, "multiply"));
        assertThat(CudaException.tellsOfLostContext(hidden)).isFalse();
        hidden.addSuppressed(new IllegalStateException(failure));
        assertThat(CudaException.tellsOfLostContext(hidden)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 46, 100, 201, 209, 304, 400, 600, 701, 720, 803, 901, 999})
    void otherCodesDoNot(int code) {
        assertThat(CudaCall.isSticky(code)).isFalse();
        Throwable failure = catchThrowable(() -> CudaCall.check(code, "launch kernel gelu_forward"));
        assertThat(failure).isInstanceOf(CudaException.class);
        assertThat(CudaException.tellsOfLostContext(failure)).isFalse();
    }

    @Test
    void compilerAndCublasCodesAreDecoded() {
        assertThatThrownBy(() -> CudaCall.checkNvrtc(6, "compile %s", "gelu.cu"))
                .hasMessageContaining("NVRTC could not compile gelu.cu: NVRTC_ERROR_COMPILATION (6)");
        assertThatThrownBy(() -> CudaCall.checkCublas(3, "create a handle"))
                .hasMessageContaining("CUBLAS_STATUS_ALLOC_FAILED (3); the GPU has too little");
    }

    @Test
    void withoutAGpuTheReasonIsToldInsteadOfACrash() {
        // On a machine with a GPU there is none.
        assertThat(CudaDevice.whyNot())
                .satisfiesAnyOf(
                        reason -> assertThat(reason).isEmpty(),
                        reason -> assertThat(reason.orElseThrow()).containsAnyOf("driver", "CUDA", "GPU"));
        CudaDevice.whyNot()
                .ifPresent(reason -> assertThatThrownBy(CudaDevice::devices)
                        .isInstanceOf(CudaException.class)
                        .hasMessage(reason));
    }
}
