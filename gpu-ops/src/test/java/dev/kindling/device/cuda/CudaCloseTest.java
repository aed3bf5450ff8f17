package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What closing a device does where the work on it has failed. */
class CudaCloseTest {
    private final List<String> freed = new ArrayList<>();

    private Runnable freeing(String name) {
        return () -> freed.add(name);
    }

    private static Runnable failing(String message) {
        return () -> {
            throw new IllegalStateException(message);
        };
    }

    @Test
    void aFailureKeepsNothingFromBeingFreedAndIsThrownAtLast() {
        Throwable failure = catchThrowable(() -> CudaContext.closeAll(
                () -> false, List.of(failing("synchronize"), freeing("arena"), failing("module"), freeing("context"))));
        assertThat(freed).containsExactly("arena", "context");
        assertThat(failure).hasMessage("synchronize");
        assertThat(failure.getSuppressed())
                .singleElement()
                .extracting("message")
                .isEqualTo("module");
    }

    @Test
    void onAGpuThatHangsNothingIsWaitedFor() {
        boolean[] hangs = new boolean[1];
        Runnable synchronize = () -> {
            hangs[0] = true;
            failing("hangs").run();
        };
        Throwable failure =
                catchThrowable(() -> CudaContext.closeAll(() -> hangs[0], List.of(synchronize, freeing("arena"))));
        assertThat(freed).isEmpty();
        assertThat(failure).hasMessage("hangs");
    }
}
