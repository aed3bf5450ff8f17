package dev.kindling.interop;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A file of ggml's GGUF, version 3, little-endian: magic, version, the numbers of tensors and of keys; the keys with their
 * values; for each tensor its name, extents (the fastest first), type and offset; then the tensors, each beginning at a
 * multiple of 32 bytes.
 *
 * @param metadata in the order of the file; an {@link Integer} is a uint32, a {@link Float} a float32, a {@link List} an
 *     array of strings, an {@code int[]} one of int32; further {@link String} and {@link Boolean}
 * @param tensors in the order of the file
 */
public record GgufFile(Map<String, Object> metadata, List<Tensor> tensors) {
    /** Weights in a block of {@link WeightType#Q8_0}. */
    static final int BLOCK = 32;

    private static final int MAGIC = 0x46554747; // GGUF
    private static final int VERSION = 3;
    private static final int ALIGNMENT = 32;

    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    /** A tensor, and how it is written; rows of a Q8_0 one divide into blocks. */
    record Tensor(String name, TensorContent content, WeightType type) {
        long bytes() {
            return switch (type) {
                case F32 -> content.count() * Float.BYTES;
                case F16 -> content.count() * Short.BYTES;
                case Q8_0 -> content.count() / BLOCK * (Short.BYTES + BLOCK);
                case BF16 -> throw new IllegalArgumentException("BF16 is not written to GGUF");
            };
        }

        int ggmlType() {
            return switch (type) {
                case F32 -> 0;
                case F16 -> 1;
                case Q8_0 -> 8;
                case BF16 -> 30;
            };
        }
    }

    /**
     * Streams the file to {@code out}, which stays open. Holds the header and one band of a tensor.
     *
     * @throws ModelFileException if a weight is too large for its type
     */
    public void writeTo(OutputStream out) throws IOException {
        Encoder header = new Encoder();
        header.int32(MAGIC).int32(VERSION).int64(tensors.size()).int64(metadata.size());
        metadata.forEach((key, value) -> header.string(key).value(value));
        long offset = 0;
        for (Tensor tensor : tensors) {
            List<Long> shape = tensor.content().shape();
            header.string(tensor.name()).int32(shape.size());
            for (int i = shape.size() - 1; i >= 0; i--) {
                header.int64(shape.get(i));
            }
            header.int32(tensor.ggmlType()).int64(offset);
            offset += aligned(tensor.bytes());
        }
        out.write(header.bytes.toByteArray());
        out.write(new byte[(int) (aligned(header.bytes.size()) - header.bytes.size())]);
        for (Tensor tensor : tensors) {
            WeightEncoder encoder = new WeightEncoder(tensor, out);
            tensor.content().elements().writeTo(encoder);
            if (encoder.written() != tensor.bytes()) {
                throw new IllegalStateException(String.format(
                        Locale.ROOT,
                        "tensor %s takes %d bytes, but %d were written",
                        tensor.name(),
                        tensor.bytes(),
                        encoder.written()));
            }
            out.write(new byte[(int) (aligned(tensor.bytes()) - tensor.bytes())]);
        }
    }

    private static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static final class Encoder {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        private Encoder int32(int value) {
            bytes.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(value)
                    .array());
            return this;
        }

        private Encoder int64(long value) {
            bytes.writeBytes(ByteBuffer.allocate(Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(value)
                    .array());
            return this;
        }

        private Encoder string(String value) {
            byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
            int64(utf8.length);
            bytes.writeBytes(utf8);
            return this;
        }

        private void value(Object value) {
            if (value instanceof String text) {
                int32(STRING).string(text);
            } else if (value instanceof Integer number) {
                int32(UINT32).int32(number);
            } else if (value instanceof Float number) {
                int32(FLOAT32).int32(Float.floatToRawIntBits(number));
            } else if (value instanceof Boolean flag) {
                int32(BOOL);
                bytes.write(flag ? 1 : 0);
            } else if (value instanceof int[] numbers) {
                int32(ARRAY).int32(INT32).int64(numbers.length);
                for (int number : numbers) {
                    int32(number);
                }
            } else {
                List<?> texts = (List<?>) value;
                int32(ARRAY).int32(STRING).int64(texts.size());
                texts.forEach(text -> string((String) text));
            }
        }
    }
}
