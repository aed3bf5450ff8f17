package dev.kindling.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.AttentionShape.MaskKind;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SdpaTest {
    private final CpuDevice device = new CpuDevice(1, Precision.FP32);
    private final Arena arena = device.arena("test");

    @AfterEach
    void close() {
        device.close();
    }

    private static AttentionShape shape(MaskKind mask) {
        return new AttentionShape(2, 3, 13, 13, 32, 32, DType.F32, true, mask, 0, false);
    }

    private static final AttentionShape CAUSAL = shape(MaskKind.NONE);

    private Sdpa sdpa(Set<Kind> allowed) {
        return new Sdpa(device, arena, allowed);
    }

    @Test
    void autoTakesTheFastestThatCanRunAndSaysWhatRan() {
        Sdpa sdpa = sdpa(EnumSet.allOf(Kind.class));
        assertThat(sdpa.chosen()).isEmpty();
        assertThat(sdpa.choose(CAUSAL).kind()).isEqualTo(Kind.FLASH);
        assertThat(sdpa.choose(shape(MaskKind.ADDITIVE)).kind()).isEqualTo(Kind.MATH);
        assertThat(sdpa.choose(CAUSAL).kind()).isEqualTo(Kind.FLASH);
        assertThat(sdpa.chosen()).isEqualTo("flash,math");
    }

    @Test
    void scopesNestAndAreRestored() {
        Sdpa sdpa = sdpa(EnumSet.allOf(Kind.class));
        try (Sdpa.Scope outer = Sdpa.only(Kind.MATH)) {
            assertThat(outer).isNotNull();
            assertThat(sdpa.choose(CAUSAL).kind()).isEqualTo(Kind.MATH);
            try (Sdpa.Scope inner = Sdpa.only(Kind.FLASH, Kind.EFFICIENT)) {
                assertThat(inner).isNotNull();
                assertThat(sdpa.choose(CAUSAL).kind()).isEqualTo(Kind.FLASH);
            }
            assertThat(sdpa.choose(CAUSAL).kind()).isEqualTo(Kind.MATH);
        }
        assertThat(sdpa.choose(CAUSAL).kind()).isEqualTo(Kind.FLASH);
    }

    @Test
    void whyNotLooksPastScopeAndAllowedSet() {
        Sdpa sdpa = sdpa(EnumSet.of(Kind.MATH));
        assertThat(sdpa.whyNot(Kind.FLASH, CAUSAL)).isEmpty();
        assertThat(sdpa.whyNot(Kind.MATH, shape(MaskKind.BOOLEAN))).isEmpty();
        assertThat(sdpa.whyNot(Kind.FLASH, shape(MaskKind.BOOLEAN)))
                .hasValueSatisfying(reason -> assertThat(reason).contains("mask of kind BOOLEAN"));
        assertThat(sdpa.whyNot(Kind.EFFICIENT, CAUSAL))
                .hasValueSatisfying(reason -> assertThat(reason).isNotBlank());
    }

    @Test
    void aBackendAskedForByNameThatCannotRunIsAnError() {
        Sdpa sdpa = sdpa(EnumSet.of(Kind.EFFICIENT));
        String reason = sdpa.whyNot(Kind.EFFICIENT, CAUSAL).orElseThrow();
        assertThatThrownBy(() -> sdpa.choose(CAUSAL))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("EFFICIENT: " + reason);
        assertThat(sdpa.chosen()).isEmpty();
    }

    @Test
    void theErrorListsEveryBackendsReason() {
        Sdpa sdpa = sdpa(EnumSet.of(Kind.FLASH, Kind.MATH));
        try (Sdpa.Scope scope = Sdpa.only(Kind.FLASH)) {
            assertThat(scope).isNotNull();
            assertThatThrownBy(() -> sdpa.choose(shape(MaskKind.ADDITIVE)))
                    .hasMessageContaining("B2 H3 Tq13 Tk13 D32")
                    .hasMessageContaining("FLASH: takes no mask besides causal")
                    .hasMessageContaining("EFFICIENT: not among the backends asked for")
                    .hasMessageContaining("MATH: outside the scope");
        }
    }
}
