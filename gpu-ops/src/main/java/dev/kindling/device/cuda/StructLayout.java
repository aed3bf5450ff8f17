package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.CudaException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A struct that the host fills for kernels: its fields in order, laid out by the rules of C. The kernels declare the same
 * struct by HOST_STRUCT of layout.cuh, and every module publishes what its compiler made of that; {@link #check} compares.
 */
final class StructLayout {
    /** Bytes of an entry of the published table (struct Field of layout.cuh): a name, an offset and a size. */
    static final int ENTRY_BYTES = 32;

    private static final int NAME_BYTES = 24;
    private static final String WHOLE = "sizeof";

    /** What a field holds: its type's bytes, which it is also aligned to. */
    enum Type {
        /** A pointer or a 64-bit integer. */
        LONG(8),
        INT(4),
        FLOAT(4);

        private final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }
    }

    /**
     * A field, or an array as one.
     *
     * @param index position in the struct, from 0
     * @param offset of its first byte
     * @param count of values, more than 1 for an array or a struct of equal values
     */
    record Field(String name, int index, int offset, Type type, int count) {
        int bytes() {
            return type.bytes * count;
        }

        private Published entry() {
            return new Published(name, offset, bytes());
        }
    }

    /** An entry of the published table. */
    private record Published(String name, int offset, int bytes) {
        static Published read(ByteBuffer table) {
            byte[] name = new byte[NAME_BYTES];
            table.get(name);
            String text = new String(name, StandardCharsets.US_ASCII);
            int end = text.indexOf('\0');
            return new Published(end < 0 ? text : text.substring(0, end), table.getInt(), table.getInt());
        }
    }

    private final String name;
    private final Map<String, Field> fields = new LinkedHashMap<>();
    private int end;
    private int alignment = 1;

    private StructLayout(String name) {
        this.name = name;
    }

    /** A layout without fields; the other methods add them in order. */
    static StructLayout of(String name) {
        return new StructLayout(name);
    }

    StructLayout longs(String... names) {
        return add(Type.LONG, 1, names);
    }

    /** Fields of {@code count} longs each. */
    StructLayout longArrays(int count, String... names) {
        return add(Type.LONG, count, names);
    }

    StructLayout ints(String... names) {
        return add(Type.INT, 1, names);
    }

    StructLayout floats(String... names) {
        return add(Type.FLOAT, 1, names);
    }

    private StructLayout add(Type type, int count, String... names) {
        for (String field : names) {
            int offset = up(end, type.bytes);
            if (fields.put(field, new Field(field, fields.size(), offset, type, count)) != null) {
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "struct %s has field %s twice", name, field));
            }
            end = offset + type.bytes * count;
            alignment = Math.max(alignment, type.bytes);
        }
        return this;
    }

    private static int up(int bytes, int multiple) {
        return (bytes + multiple - 1) / multiple * multiple;
    }

    String name() {
        return name;
    }

    /** The global of a module that holds the struct's table. */
    String table() {
        return String.format(Locale.ROOT, "layout_%s", name);
    }

    int bytes() {
        return up(end, alignment);
    }

    int count() {
        return fields.size();
    }

    /** @throws IllegalArgumentException if there is no such field */
    Field field(String field) {
        Field found = fields.get(field);
        if (found == null) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "struct %s has no field %s; it has %s", name, field, fields.keySet()));
        }
        return found;
    }

    int offset(String field) {
        return field(field).offset();
    }

    List<String> names() {
        return List.copyOf(fields.keySet());
    }

    /**
     * Compares the layout with the table that a module publishes, in the machine's byte order.
     *
     * @param file of the module, for the error
     * @throws CudaException naming the struct and its first field that differs, with both places
     */
    void check(String file, ByteBuffer table) {
        List<Published> expected = new ArrayList<>();
        fields.values().forEach(field -> expected.add(field.entry()));
        expected.add(new Published(WHOLE, 0, bytes()));
        List<Published> published = new ArrayList<>();
        while (table.remaining() >= ENTRY_BYTES) {
            published.add(Published.read(table));
        }
        for (int i = 0; i < Math.max(expected.size(), published.size()); i++) {
            Published java = i < expected.size() ? expected.get(i) : null;
            Published kernel = i < published.size() ? published.get(i) : null;
            if (java == null || !java.equals(kernel)) {
                throw new CudaException(String.format(
                        Locale.ROOT,
                        "%s.cu and this program disagree about struct %s: %s in the kernels, but %s in Java (KernelStructs); they are of different builds, so rebuild the jar",
                        file,
                        name,
                        describe(kernel),
                        describe(java)));
            }
        }
    }

    private static String describe(Published entry) {
        if (entry == null) {
            return "no further field";
        }
        return entry.name().equals(WHOLE)
                ? String.format(Locale.ROOT, "%d bytes in all", entry.bytes())
                : String.format(
                        Locale.ROOT, "field %s is %d bytes at offset %d", entry.name(), entry.bytes(), entry.offset());
    }
}
