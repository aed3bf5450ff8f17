package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TensorChecksTest {
    private final CpuDevice device = new CpuDevice(1, Precision.FP32);
    private final Arena arena = device.arena("checks");
    private final Tensor x = arena.allocate("x", DType.F32, 3, 4);

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void whatFitsAndWhatIsNotThereIsTaken() {
        assertThatCode(() -> {
                    TensorChecks.dense(DType.F32, 12, x, null);
                    TensorChecks.shape(x, 3, 4);
                    TensorChecks.sameShape(x, x);
                    TensorChecks.contiguousRows(x.slice(1, 1, 2));
                })
                .doesNotThrowAnyException();
        assertThat(TensorChecks.rows(x)).isEqualTo(3);
        assertThat(TensorChecks.rows(x, 6)).isEqualTo(2);
    }

    @Test
    void errorsNameTheTensorAndWhatItHasNot() {
        refused(() -> TensorChecks.dense(x.transpose(0, 1)), "is not dense; copy it first");
        refused(() -> TensorChecks.type(DType.I32, x), "is not I32");
        refused(() -> TensorChecks.dense(DType.F32, 13, x), "has not 13 elements");
        refused(() -> TensorChecks.shape(x, 4, 3), "has not the shape (4, 3)");
        refused(() -> TensorChecks.sameShape(x, x.slice(0, 0, 2)), "differ in shape");
        refused(() -> TensorChecks.contiguousRows(x.transpose(0, 1)), "must have stride 1");
        refused(() -> TensorChecks.rows(x, 5), "has no rows of 5");
    }

    private void refused(ThrowingCallable check, String why) {
        assertThatThrownBy(check)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("checks/x")
                .hasMessageContaining(why);
    }
}
