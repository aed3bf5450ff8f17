package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.cuda.library.CudaException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** The host's half of the contract about structs; KernelCompileTest holds it against the kernels. */
class StructLayoutTest {
    private static final StructLayout LAYOUT = StructLayout.of("Example")
            .ints("rows")
            .longs("x")
            .longArrays(3, "strides")
            .floats("scale");

    @Test
    void fieldsLieAsInC() {
        assertThat(LAYOUT.offset("rows")).isZero();
        assertThat(LAYOUT.offset("x")).isEqualTo(8);
        assertThat(LAYOUT.offset("strides")).isEqualTo(16);
        assertThat(LAYOUT.offset("scale")).isEqualTo(40);
        assertThat(LAYOUT.bytes()).isEqualTo(48);
    }

    @Test
    void valuesLandInTheirFields() {
        ByteBuffer bytes = ByteBuffer.allocate(LAYOUT.bytes()).order(ByteOrder.nativeOrder());
        StructValue value = new StructValue(LAYOUT, bytes)
                .set("scale", 0.5f)
                .set("x", 1L << 40)
                .set("strides", new long[] {7, 8, 9})
                .set("rows", 3);
        value.checkComplete();
        assertThat(bytes.getInt(0)).isEqualTo(3);
        assertThat(bytes.getLong(8)).isEqualTo(1L << 40);
        assertThat(bytes.getLong(32)).isEqualTo(9);
        assertThat(bytes.getFloat(40)).isEqualTo(0.5f);
    }

    @Test
    void aForgottenFieldIsNamed() {
        LaunchArguments arguments = new LaunchArguments();
        arguments.struct(LAYOUT).set("rows", 3).set("x", 4L).set("scale", 1f);
        assertThatThrownBy(arguments::table)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("field strides of struct Example is not set");
        assertThat(arguments.clear().add(1).table()).isNotNull();
    }

    @Test
    void wrongNamesTypesAndSecondValuesAreRefused() {
        StructValue value = new StructValue(LAYOUT, ByteBuffer.allocate(LAYOUT.bytes()));
        assertThatThrownBy(() -> value.set("row", 3))
                .hasMessageContaining("no field row")
                .hasMessageContaining("rows");
        assertThatThrownBy(() -> value.set("rows", 3L))
                .hasMessageContaining("field rows")
                .hasMessageContaining("LONG");
        assertThatThrownBy(() -> value.set("strides", new long[2])).hasMessageContaining("2 x LONG");
        value.set("rows", 3);
        assertThatThrownBy(() -> value.set("rows", 3)).hasMessageContaining("set twice");
        assertThatThrownBy(() -> StructLayout.of("Twice").ints("a", "a")).hasMessageContaining("field a twice");
    }

    @Test
    void theSameTableIsTaken() {
        assertThatCode(() -> LAYOUT.check("example", table(0, 8, 16, 40, 48))).doesNotThrowAnyException();
    }

    @Test
    void aTableThatDiffersIsRefusedByTheFieldsName() {
        assertThatThrownBy(() -> LAYOUT.check("example", table(0, 8, 16, 44, 48)))
                .isInstanceOf(CudaException.class)
                .hasMessageContaining("example.cu")
                .hasMessageContaining("struct Example")
                .hasMessageContaining("field scale is 4 bytes at offset 44 in the kernels")
                .hasMessageContaining("field scale is 4 bytes at offset 40 in Java");
        assertThatThrownBy(() -> LAYOUT.check("example", table(0, 8, 16, 40, 56)))
                .hasMessageContaining("56 bytes in all in the kernels, but 48 bytes in all in Java");
        ByteBuffer shorter = table(0, 8, 16, 40, 48).limit(4 * StructLayout.ENTRY_BYTES);
        assertThatThrownBy(() -> LAYOUT.check("example", shorter))
                .hasMessageContaining("no further field in the kernels");
    }

    private static ByteBuffer table(int rows, int x, int strides, int scale, int whole) {
        ByteBuffer table = ByteBuffer.allocate(5 * StructLayout.ENTRY_BYTES).order(ByteOrder.nativeOrder());
        entry(table, "rows", rows, 4);
        entry(table, "x", x, 8);
        entry(table, "strides", strides, 24);
        entry(table, "scale", scale, 4);
        entry(table, "sizeof", 0, whole);
        return table.flip();
    }

    private static void entry(ByteBuffer table, String name, int offset, int bytes) {
        byte[] padded = new byte[StructLayout.ENTRY_BYTES - 8];
        byte[] text = name.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(text, 0, padded, 0, text.length);
        table.put(padded).putInt(offset).putInt(bytes);
    }
}
