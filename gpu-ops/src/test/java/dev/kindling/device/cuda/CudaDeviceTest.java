package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.CausalInputs;
import dev.kindling.device.Dropout;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.Gelu;
import dev.kindling.device.Matmul;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.device.cuda.library.KernelSource;
import dev.kindling.device.cuda.library.Nvrtc;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.DeviceMemoryException;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The device itself: memory, copies, graphs, selection. What its operations compute is the contract's. */
class CudaDeviceTest {
    /** Few under tools that slow a GPU down (-Dtest.repeats). */
    private static final int REPEATS = Integer.getInteger("test.repeats", 50);

    private final Random random = new Random(7);
    private CudaDevice device;
    private Arena arena;

    @BeforeEach
    void open() {
        device = Gpu.open(Precision.BF16);
        arena = device.arena("test");
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    private float[] gaussian(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private Tensor tensor(DType type, long... extents) {
        Tensor tensor = arena.allocate("x", type, extents);
        device.upload(gaussian(Math.toIntExact(tensor.count())), tensor);
        return tensor;
    }

    private float[] read(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.count())];
        device.download(tensor, values);
        return values;
    }

    /** Mean power over two seconds of products, as the counter tells it, is what a GPU can draw. */
    @Test
    void energyGrowsWithWork() {
        Tensor a = tensor(DType.BF16, 4096, 4096);
        Tensor product = arena.allocate("product", DType.BF16, 4096, 4096);
        double before = device.energyJoules().orElseThrow();
        long began = System.nanoTime();
        while (System.nanoTime() - began < 2_000_000_000L) {
            device.ops().matmul(Matmul.of(a, a, product));
            device.synchronize();
        }
        double watts = (device.energyJoules().orElseThrow() - before) / ((System.nanoTime() - began) / 1e9);
        assertThat(watts).isBetween(30.0, 2000.0);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16", "F16"})
    void copiesSurviveTheRoundTrip(DType type) {
        // More than both staging buffers hold.
        float[] values = gaussian(5_000_013);
        Tensor x = arena.allocate("x", type, values.length);
        device.upload(values, x);
        float[] back = read(x);
        for (int i = 0; i < values.length; i++) {
            float expected =
                    switch (type) {
                        case BF16 -> HalfPrecision.fromBf16(HalfPrecision.toBf16(values[i]));
                        case F16 -> HalfPrecision.fromF16(HalfPrecision.toF16(values[i]));
                        default -> values[i];
                    };
            if (back[i] != expected) {
                assertThat(back[i]).as("element %d", i).isEqualTo(expected);
            }
        }
    }

    @Test
    void gpusAreFoundByPosition() {
        CudaDeviceInfo info = device.info();
        assertThat(info.uuid()).matches("GPU-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
        assertThat(CudaDevice.count()).isPositive();
        assertThatThrownBy(() -> CudaDevice.open(99, Precision.FP32)).hasMessageContaining("no GPU 99");
    }

    @Test
    void tooLittleMemorySaysWhatIsFreeAndWhatToLower() {
        long before = device.allocatedBytes();
        assertThatThrownBy(() -> arena.allocate("logits", DType.F32, 1L << 40))
                .isInstanceOf(DeviceMemoryException.class)
                .hasMessageContaining("test/logits asks for 4194304.0 MiB")
                .hasMessageContaining("free")
                .hasMessageContaining("train.micro_batch");
        assertThat(device.allocatedBytes()).isEqualTo(before);
        assertThat(read(tensor(DType.F32, 13))).hasSize(13);
    }

    @Test
    void aClosedArenaGivesItsMemoryBackAndItsTensorsAreRefused() {
        long before = device.allocatedBytes();
        Tensor lost;
        try (Arena short_ = device.arena("short")) {
            lost = short_.allocate("x", DType.F32, 3_000_000);
            assertThat(device.allocatedBytes()).isGreaterThan(before);
        }
        assertThat(device.allocatedBytes()).isEqualTo(before);
        assertThat(device.peakBytes()).isGreaterThanOrEqualTo(before + 12_000_000);
        assertThatThrownBy(() -> device.ops().fill(lost, 1)).hasMessageContaining("after its arena was closed");
    }

    @Test
    void aReplayedStepGivesTheBitsOfAnEagerOneAndReadsTheNewState() {
        Tensor q = tensor(DType.BF16, 2, 3, 129, 64);
        Tensor out = arena.allocate("out", DType.BF16, 2, 3, 129, 64);
        Tensor product = arena.allocate("product", DType.F32, 2 * 3 * 129, 64);
        device.ops().fill(product, Float.NaN);
        Tensor square = tensor(DType.BF16, 64, 64);
        AttentionInputs inputs = CausalInputs.of(q, q, q, new Dropout(0.3f, 5));
        FusedAttention flash = device.ops().flash();
        Tensor saved = arena.allocate("saved", DType.F32, flash.saved(inputs));
        Runnable step = () -> {
            flash.forward(inputs, out, saved);
            device.ops().matmul(Matmul.of(out.reshape(2 * 3 * 129, 64), square, product));
        };
        device.setStep(new StepInputs(42, 0, 1, 1, 1, 1));
        step.run();
        float[] first = read(product);
        device.ops().fill(product, Float.NaN);
        try (Replay replay = device.capture(step)) {
            assertThat(read(product)).as("capturing executes nothing").containsOnly(Float.NaN);
            for (int i = 0; i < 50; i++) {
                replay.run();
            }
            assertThat(read(product)).isEqualTo(first);
            device.setStep(new StepInputs(43, 0, 1, 1, 1, 1));
            replay.run();
            float[] other = read(product);
            assertThat(other).isNotEqualTo(first);
            step.run();
            assertThat(read(product)).isEqualTo(other);
        }
    }

    @Test
    void hopperTakesLargeProductsAndTheirGeluInOnePass() {
        boolean hopper = device.info().compute() == 90;
        int rows = 128 * device.info().multiprocessors();
        Tensor a = tensor(DType.BF16, rows, 64);
        Tensor b = tensor(DType.BF16, 64, 64);
        Tensor c = tensor(DType.BF16, rows, 64);
        assertThat(device.ops().fusesGelu(Matmul.of(a, b, c))).isEqualTo(hopper);
        assertThat(device.ops().fusesGelu(Matmul.of(a, b.transpose(0, 1), c))).isEqualTo(hopper);
        Matmul tooSmall = Matmul.of(a.slice(0, 0, rows - 128), b, c.slice(0, 0, rows - 128));
        Matmul oddWidth =
                Matmul.of(a, b.reshape(4096).slice(0, 0, 64 * 40).reshape(64, 40), tensor(DType.BF16, rows, 40));
        Matmul strided = Matmul.of(tensor(DType.BF16, 64, rows).transpose(0, 1), b, c);
        Matmul wide = Matmul.of(a, b, tensor(DType.F32, rows, 64));
        assertThat(List.of(tooSmall, oddWidth, strided, wide, Matmul.of(a, b, c, true)))
                .noneMatch(device.ops()::fusesGelu);
        try (CudaDevice older = CudaDevice.open(0, Gpu.withoutWgmma(CudaDevice.Options.of(Precision.BF16)))) {
            assertThat(older.ops().fusesGelu(Matmul.of(a, b, c))).isFalse();
        }
    }

    @Test
    void aProductAndItsGeluRepeatTheirBits() {
        int rows = 128 * device.info().multiprocessors() + 77;
        Tensor a = tensor(DType.BF16, rows, 128);
        Tensor b = tensor(DType.BF16, 128, 320);
        Gelu op = new Gelu(Gelu.Form.ERF, tensor(DType.BF16, 320));
        Tensor x = arena.allocate("x", DType.BF16, rows, 320);
        Tensor y = arena.allocate("y", DType.BF16, rows, 320);
        Tensor dx = arena.allocate("dx", DType.BF16, rows, 320);
        Tensor dBias = arena.allocate("dBias", DType.F32, 320);
        Runnable step = () -> {
            device.ops().fill(dBias, 0);
            device.ops().matmulGelu(Matmul.of(a, b, x), op, y);
            device.ops().matmulGeluBackward(Matmul.of(a, b, dx), op, x, dBias);
        };
        step.run();
        float[][] first = {read(x), read(y), read(dx), read(dBias)};
        try (Replay replay = device.capture(step)) {
            for (int i = 0; i < REPEATS; i++) {
                List.of(x, y, dx).forEach(result -> device.ops().fill(result, Float.NaN));
                replay.run();
                float[][] bits = {read(x), read(y), read(dx), read(dBias)};
                assertThat(Arrays.deepEquals(bits, first)).as("run %d", i).isTrue();
            }
        }
    }

    @Test
    void aCopyInsideACaptureIsRefusedAndTheDeviceStillWorks() {
        Tensor x = tensor(DType.F32, 5);
        assertThatThrownBy(() -> device.capture(() -> {
                    device.ops().add(x, x);
                    device.upload(new float[5], x);
                }))
                .hasMessageContaining("captured step");
        float[] before = read(x);
        device.ops().add(x, x);
        assertThat(read(x)[0]).isEqualTo(2 * before[0]);
    }

    @Test
    void anotherThreadMayTakeOver() throws InterruptedException {
        Tensor x = tensor(DType.F32, 7);
        float[] before = read(x);
        Thread thread = new Thread(() -> device.ops().add(x, x));
        thread.start();
        thread.join();
        assertThat(read(x)[3]).isEqualTo(2 * before[3]);
    }

    @Test
    void aKernelThatDoesNotCompileShowsTheLog() {
        Nvrtc nvrtc = new Nvrtc(
                CudaDevice.Options.of(Precision.FP32).cache(), device.info().architecture());
        KernelSource broken =
                new KernelSource("broken.cu", "__global__ void f() { undefined_name(); }", java.util.Map.of());
        assertThatThrownBy(() -> nvrtc.cubin(broken, java.util.Map.of("A", "1")))
                .isInstanceOf(CudaException.class)
                .hasMessageContaining("broken.cu")
                .hasMessageContaining("-DA=1")
                .hasMessageContaining("undefined_name");
    }

    @Test
    void backendsSayWhyTheyCannotRun() {
        Tensor wide = tensor(DType.BF16, 1, 1, 8, 384);
        AttentionInputs inputs = CausalInputs.of(wide, wide, wide, Dropout.NONE);
        assertThat(device.ops().flash().whyNot(inputs.shape())).contains("head dimension 384 > 256");
        assertThat(device.ops().efficient().whyNot(inputs.shape())).contains("head dimension 384 > 128");
        Tensor exact = tensor(DType.F32, 1, 1, 8, 64);
        AttentionInputs single = CausalInputs.of(exact, exact, exact, Dropout.NONE);
        assertThat(device.ops().flash().whyNot(single.shape())).contains("dtype F32 is not BF16 or F16");
        assertThat(device.ops().efficient().whyNot(single.shape())).isEmpty();
    }
}
