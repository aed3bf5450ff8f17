package dev.kindling.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.interop.SafeTensorsFile;
import dev.kindling.interop.TensorContent;
import dev.kindling.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafeTensorsTest {

    @Test
    void roundTripKeepsEveryBitAndShape() throws IOException {
        float[] flat = floats(13 * 207 + 16385 + 1, 1);
        flat[0] = -0.0f;
        flat[1] = Float.intBitsToFloat(0x7fc00001); // a NaN with a payload
        flat[2] = Float.MIN_VALUE;
        Map<String, TensorContent> tensors = Map.of(
                "wte.weight", LoadedTensors.tensor(flat, 0, 13, 207),
                "ln_f.weight", LoadedTensors.tensor(flat, 13 * 207, 16385),
                "scalar", LoadedTensors.tensor(flat, flat.length - 1));

        LoadedTensors read = read(bytes(tensors, Map.of("format", "pt", "note", "\"ä\"")));

        assertThat(read.shapes)
                .containsExactly(
                        Map.entry("ln_f.weight", List.of(16385L)),
                        Map.entry("scalar", List.of()),
                        Map.entry("wte.weight", List.of(13L, 207L)));
        assertThat(bits(read.values.get("wte.weight"))).isEqualTo(bits(Arrays.copyOf(flat, 13 * 207)));
        assertThat(bits(read.values.get("ln_f.weight")))
                .isEqualTo(bits(Arrays.copyOfRange(flat, 13 * 207, flat.length - 1)));
        assertThat(read.values.get("scalar")).containsExactly(flat[flat.length - 1]);
    }

    @Test
    void theLayoutIsThatOfTheFormat() throws IOException {
        byte[] file = bytes(Map.of("a", LoadedTensors.tensor(new float[] {9, 1.5f, -2}, 1, 1, 2)), Map.of());

        String header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}";
        int headerBytes = (header.length() + 7) / 8 * 8;
        ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(buffer.getLong()).isEqualTo(headerBytes);
        assertThat(new String(file, 8, headerBytes, StandardCharsets.UTF_8).stripTrailing())
                .isEqualTo(header);
        assertThat(buffer.getFloat(8 + headerBytes)).isEqualTo(1.5f);
        assertThat(buffer.getFloat(8 + headerBytes + 4)).isEqualTo(-2f);
        assertThat(file).hasSize(8 + headerBytes + 8);
    }

    @Test
    void equalTensorsGiveEqualBytesWhateverTheMap() throws IOException {
        float[] flat = floats(26, 2);
        TensorContent a = LoadedTensors.tensor(flat, 0, 13);
        TensorContent b = LoadedTensors.tensor(flat.clone(), 13, 13);
        Map<String, TensorContent> reversed = new TreeMap<String, TensorContent>(java.util.Comparator.reverseOrder());
        reversed.putAll(Map.of("a", a, "b", b));

        assertThat(bytes(reversed, Map.of())).isEqualTo(bytes(Map.of("a", a, "b", b), Map.of()));
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        byte[] file = bytes(Map.of("a", LoadedTensors.tensor(floats(13, 3), 0, 13)), Map.of());
        for (int length = 0; length < file.length; length++) {
            byte[] truncated = Arrays.copyOf(file, length);
            assertThatThrownBy(() -> read(truncated))
                    .as("the first %d bytes", length)
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("x.safetensors is damaged");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}   | does not fill bytes 0 to 4
            {"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}  | does not fill bytes
            {"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}   | does not fill bytes
            {"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}  | begins at byte 8, not 0
            {"a":{"dtype":"F32","shape":[65536,65536,65536,65536],"data_offsets":[0,0]}} | does not fill bytes
            {"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}   | tensor a is empty
            {"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}  | describes 16 bytes of tensors, but it holds 8
            {"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}   | tensor a is F16, not F32 or BF16
            {"a":{"shape":[2],"data_offsets":[0,8]}}                 | lacks dtype, shape or data_offsets
            {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | two tensors begin at byte 0
            {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | is not JSON
            {"a":                                                    | is not JSON
            [1]                                                      | is not a JSON object
            """)
    void aHeaderThatDoesNotFitItsDataIsRefused(String header, String why) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        byte[] file = ByteBuffer.allocate(8 + json.length + 8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
        assertThatThrownBy(() -> read(file))
                .isInstanceOf(CheckpointException.class)
                .message()
                .contains(why)
                .doesNotContain("\n");
    }

    @Test
    void aHugeHeaderLengthAllocatesNothing() {
        byte[] file = new byte[64];
        Arrays.fill(file, 0, 7, (byte) 0x7f);
        assertThatThrownBy(() -> read(file)).hasMessageContaining("its header claims");
        Arrays.fill(file, 0, 8, (byte) 0xff);
        assertThatThrownBy(() -> read(file)).hasMessageContaining("its header claims -1 bytes of a file of 64");
    }

    static float[] floats(int count, long seed) {
        Random random = new Random(seed);
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) random.nextGaussian();
        }
        return floats;
    }

    static int[] bits(float[] tensor) {
        int[] bits = new int[tensor.length];
        Arrays.setAll(bits, i -> Float.floatToRawIntBits(tensor[i]));
        return bits;
    }

    private static byte[] bytes(Map<String, TensorContent> tensors, Map<String, String> metadata) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new SafeTensorsFile(tensors, metadata, DType.F32).writeTo(out);
        return out.toByteArray();
    }

    private static LoadedTensors read(byte[] file) throws IOException {
        return LoadedTensors.ofFile(file, "x.safetensors");
    }
}
