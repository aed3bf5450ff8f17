package dev.kindling.interop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** A reader of its own for what is written. */
class GgufFileTest {
    private static final int ROWS = 3;
    private static final int COLUMNS = 64;

    private final float[] values = new float[ROWS * COLUMNS];

    GgufFileTest() {
        Random random = new Random(2);
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
    }

    private static ByteBuffer written(GgufFile file) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        file.writeTo(out);
        return ByteBuffer.wrap(out.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static String string(ByteBuffer in) {
        byte[] utf8 = new byte[(int) in.getLong()];
        in.get(utf8);
        return new String(utf8, StandardCharsets.UTF_8);
    }

    private GgufFile file(WeightType type) {
        TensorContent content = new TensorContent(List.of((long) ROWS, (long) COLUMNS), sink -> {
            sink.take(FloatBuffer.wrap(values, 0, 50)); // not a whole block
            sink.take(FloatBuffer.wrap(values, 50, values.length - 50));
        });
        GgufFile.Tensor odd = new GgufFile.Tensor("odd", TensorContent.zeros(List.of(5L)), WeightType.F32);
        return new GgufFile(Map.of("key", List.of("a", "é")), List.of(odd, new GgufFile.Tensor("w", content, type)));
    }

    /** Reads a header as that of {@link #file}, to the beginning of tensor w. */
    private static void toTensor(ByteBuffer in, int ggmlType) {
        assertThat(in.getInt()).isEqualTo(0x46554747);
        assertThat(in.getInt()).isEqualTo(3);
        assertThat(in.getLong()).isEqualTo(2);
        assertThat(in.getLong()).isEqualTo(1);
        assertThat(string(in)).isEqualTo("key");
        assertThat(List.of(in.getInt(), in.getInt())).containsExactly(9, 8);
        assertThat(in.getLong()).isEqualTo(2);
        assertThat(List.of(string(in), string(in))).containsExactly("a", "é");
        assertThat(string(in)).isEqualTo("odd");
        assertThat(List.of(in.getInt(), in.getLong(), in.getInt(), in.getLong()).toString())
                .isEqualTo("[1, 5, 0, 0]");
        assertThat(string(in)).isEqualTo("w");
        assertThat(List.of(in.getInt(), in.getLong(), in.getLong(), in.getInt(), in.getLong())
                        .toString())
                .isEqualTo("[2, 64, 3, " + ggmlType + ", 32]");
        int data = (in.position() + 31) / 32 * 32;
        in.position(data + 32);
    }

    @Test
    void f32AndF16AreTheValues() throws IOException {
        ByteBuffer whole = written(file(WeightType.F32));
        toTensor(whole, 0);
        ByteBuffer half = written(file(WeightType.F16));
        toTensor(half, 1);
        for (float value : values) {
            assertThat(whole.getFloat()).isEqualTo(value);
            assertThat(HalfFloats.fromF16(half.getShort())).isCloseTo(value, within(Math.abs(value) * 0x1p-11f));
        }
        assertThat(whole.hasRemaining() || half.hasRemaining()).isFalse();
    }

    @Test
    void q8BlocksAreWithinHalfAStep() throws IOException {
        ByteBuffer in = written(file(WeightType.Q8_0));
        toTensor(in, 8);
        for (int block = 0; block < values.length; block += 32) {
            float scale = HalfFloats.fromF16(in.getShort());
            float largest = 0;
            for (int i = block; i < block + 32; i++) {
                byte quantity = in.get();
                assertThat(scale * quantity).isCloseTo(values[i], within(scale * 0.57f));
                largest = Math.max(largest, Math.abs(quantity));
            }
            assertThat(largest).isEqualTo(127);
        }
        assertThat(in.remaining()).isEqualTo(20); // 204 bytes, padded to a multiple of 32
    }

    @Test
    void whatF16CannotHoldIsRefused() {
        values[7] = 70_000;
        assertThatThrownBy(() -> written(file(WeightType.F16)))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("tensor w holds 70000.0, and F16 ends at 65504");
    }

    @Test
    void halvesAreRoundedToTheNearest() {
        for (int bits = 0; bits < 0x7c00; bits++) {
            float value = HalfFloats.fromF16((short) bits);
            assertThat(HalfFloats.toF16(value)).isEqualTo((short) bits);
            assertThat(HalfFloats.toF16(-value)).isEqualTo((short) (bits | 0x8000));
            float next = bits == 0x7bff ? 65536 : HalfFloats.fromF16((short) (bits + 1));
            int even = (bits & 1) == 0 ? bits : bits + 1;
            assertThat(HalfFloats.toF16((value + next) / 2)).isEqualTo((short) even);
            assertThat(HalfFloats.toF16(Math.nextDown((value + next) / 2))).isEqualTo((short) bits);
            assertThat(HalfFloats.toF16(Math.nextUp((value + next) / 2))).isEqualTo((short) (bits + 1));
        }
    }

    @Test
    void aTransposeIsReadInBandsOfColumns() throws IOException {
        int rows = 1 << 12;
        int columns = (1 << 12) + 3; // two bands
        TensorContent matrix = new TensorContent(List.of((long) rows, (long) columns), sink -> {
            float[] row = new float[columns];
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns; c++) {
                    row[c] = r * 31 + c * 17 % 1009;
                }
                sink.take(FloatBuffer.wrap(row));
            }
        });
        TensorContent transposed = matrix.transposed();
        assertThat(transposed.shape()).containsExactly((long) columns, (long) rows);
        long[] at = {0};
        boolean[] same = {true};
        transposed.elements().writeTo(next -> {
            while (next.hasRemaining()) {
                int c = (int) (at[0] / rows);
                int r = (int) (at[0] % rows);
                same[0] &= next.get() == r * 31 + c * 17 % 1009;
                at[0]++;
            }
        });
        assertThat(same[0]).isTrue();
        assertThat(at[0]).isEqualTo((long) rows * columns);
    }

    @Test
    void nanoGptHasLinearWeightsByOutputAndTheHeadTwice() throws IOException {
        TreeMap<String, TensorContent> weights = new TreeMap<>();
        weights.put("wte.weight", matrix(5, 2));
        weights.put("wpe.weight", matrix(4, 2));
        weights.put("h.0.attn.c_attn.weight", matrix(2, 6));
        weights.put("h.0.ln_1.weight", TensorContent.zeros(List.of(2L)));
        SafeTensorsFile file = NanoGptModel.toFile(weights, DType.F32);
        assertThat(file.tensors())
                .containsOnlyKeys(
                        "lm_head.weight",
                        "transformer.wte.weight",
                        "transformer.wpe.weight",
                        "transformer.h.0.attn.c_attn.weight",
                        "transformer.h.0.ln_1.weight");
        TensorContent linear = file.tensors().get("transformer.h.0.attn.c_attn.weight");
        assertThat(linear.shape()).containsExactly(6L, 2L);
        assertThat(elements(linear)).containsExactly(0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11);
        assertThat(elements(file.tensors().get("lm_head.weight")))
                .isEqualTo(elements(file.tensors().get("transformer.wte.weight")));
        assertThat(file.tensors().get("transformer.wpe.weight").shape()).containsExactly(4L, 2L);
    }

    private static TensorContent matrix(int rows, int columns) {
        float[] numbers = new float[rows * columns];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = i;
        }
        return new TensorContent(List.of((long) rows, (long) columns), sink -> sink.take(FloatBuffer.wrap(numbers)));
    }

    private static float[] elements(TensorContent content) throws IOException {
        FloatBuffer all = FloatBuffer.allocate((int) content.count());
        content.elements().writeTo(all::put);
        return all.array();
    }
}
