package dev.kindling.device.cuda;

import java.nio.ByteBuffer;
import java.util.Locale;

/** A struct being filled, by the names of its fields. Every field is set once, the order is free. */
final class StructValue {
    private final StructLayout layout;
    private final ByteBuffer bytes;
    private final boolean[] set;

    /** @param bytes of which the struct takes the first; in the machine's byte order */
    StructValue(StructLayout layout, ByteBuffer bytes) {
        this.layout = layout;
        this.bytes = bytes;
        this.set = new boolean[layout.count()];
    }

    StructValue set(String field, long value) {
        bytes.putLong(offset(field, StructLayout.Type.LONG, 1), value);
        return this;
    }

    StructValue set(String field, int value) {
        bytes.putInt(offset(field, StructLayout.Type.INT, 1), value);
        return this;
    }

    StructValue set(String field, float value) {
        bytes.putFloat(offset(field, StructLayout.Type.FLOAT, 1), value);
        return this;
    }

    /** An array of longs. */
    StructValue set(String field, long[] values) {
        int at = offset(field, StructLayout.Type.LONG, values.length);
        for (int i = 0; i < values.length; i++) {
            bytes.putLong(at + Long.BYTES * i, values[i]);
        }
        return this;
    }

    private int offset(String name, StructLayout.Type type, int count) {
        StructLayout.Field field = layout.field(name);
        if (field.type() != type || field.count() != count) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "field %s of struct %s is %d x %s, not %d x %s",
                    name,
                    layout.name(),
                    field.count(),
                    field.type(),
                    count,
                    type));
        }
        if (set[field.index()]) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "field %s of struct %s is set twice", name, layout.name()));
        }
        set[field.index()] = true;
        return field.offset();
    }

    /** @throws IllegalStateException naming a field that was not set: it would hold what the last launch left there */
    void checkComplete() {
        for (int i = 0; i < set.length; i++) {
            if (!set[i]) {
                throw new IllegalStateException(String.format(
                        Locale.ROOT,
                        "field %s of struct %s is not set",
                        layout.names().get(i),
                        layout.name()));
            }
        }
    }
}
