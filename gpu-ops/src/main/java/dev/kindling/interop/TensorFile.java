package dev.kindling.interop;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** A safetensors file in a folder, whose tensors are read as they are asked for. */
final class TensorFile {
    private static final int CHUNK = 1 << 14;

    private final ModelFolder folder;
    private final String file;
    private final SafeTensorsHeader header;

    private TensorFile(ModelFolder folder, String file, SafeTensorsHeader header) {
        this.folder = folder;
        this.file = file;
        this.header = header;
    }

    /** Reads the header. */
    static TensorFile open(ModelFolder folder, String file) throws IOException {
        if (!folder.has(file)) {
            throw new ModelFileException(folder.path(file) + " is missing; restore it");
        }
        try (InputStream in = folder.open(file, 0)) {
            return new TensorFile(folder, file, SafeTensorsHeader.read(in, folder.length(file), folder.path(file)));
        }
    }

    /** A tensor of the file. */
    record Located(TensorFile file, SafeTensorsHeader.Entry entry) {
        String path() {
            return file.folder.path(file.file);
        }

        /** Its elements; an element that is not finite is an error that names it. */
        TensorContent content() {
            return new TensorContent(entry.shape(), sink -> file.read(entry, sink));
        }

        /** @throws ModelFileException if its dtype is none that is read */
        void requireReadable() throws ModelFileException {
            file.elementBytes(entry);
        }

        /** Whether the other tensor has the same type and bytes. */
        boolean sameBytes(Located other) throws IOException {
            if (!entry.dtype().equals(other.entry.dtype()) || !entry.shape().equals(other.entry.shape())) {
                return false;
            }
            try (InputStream mine = file.data(entry);
                    InputStream theirs = other.file.data(other.entry)) {
                long left = entry.end() - entry.begin();
                while (left > 0) {
                    int n = (int) Math.min(left, CHUNK);
                    if (!Arrays.equals(mine.readNBytes(n), theirs.readNBytes(n))) {
                        return false;
                    }
                    left -= n;
                }
                return true;
            }
        }
    }

    /** All tensors by name. */
    SortedMap<String, Located> tensors() {
        Map<String, Located> located = new TreeMap<>();
        header.tensors().forEach(entry -> located.put(entry.name(), new Located(this, entry)));
        return Collections.unmodifiableSortedMap((TreeMap<String, Located>) located);
    }

    private InputStream data(SafeTensorsHeader.Entry entry) throws IOException {
        return folder.open(file, header.dataStart() + entry.begin());
    }

    private void read(SafeTensorsHeader.Entry entry, TensorContent.Sink sink) throws IOException {
        int bytes = elementBytes(entry);
        int most = (int) Math.min(entry.count(), CHUNK);
        ByteBuffer chunk = ByteBuffer.allocate(most * bytes).order(ByteOrder.LITTLE_ENDIAN);
        FloatBuffer floats = FloatBuffer.allocate(most);
        long left = entry.count();
        try (InputStream in = data(entry)) {
            while (left > 0) {
                int n = (int) Math.min(left, most);
                if (in.readNBytes(chunk.array(), 0, n * bytes) < n * bytes) {
                    throw SafeTensorsHeader.damaged(folder.path(file), "it ends within tensor " + entry.name());
                }
                decode(entry, chunk.clear().limit(n * bytes), floats.clear().limit(n));
                requireFinite(entry, floats, entry.count() - left);
                sink.take(floats);
                left -= n;
            }
        }
    }

    private int elementBytes(SafeTensorsHeader.Entry entry) throws ModelFileException {
        return switch (entry.dtype()) {
            case "F32" -> Float.BYTES;
            case "F16", "BF16" -> Short.BYTES;
            default ->
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s: tensor %s is %s, and F32, BF16 and F16 can be read; convert it to one of them",
                        folder.path(file),
                        entry.name(),
                        entry.dtype()));
        };
    }

    private static void decode(SafeTensorsHeader.Entry entry, ByteBuffer from, FloatBuffer to) {
        if (entry.dtype().equals("F32")) {
            to.put(from.asFloatBuffer());
        } else {
            boolean bf16 = entry.dtype().equals("BF16");
            while (to.hasRemaining()) {
                short bits = from.getShort();
                to.put(bf16 ? HalfFloats.fromBf16(bits) : HalfFloats.fromF16(bits));
            }
        }
        to.flip();
    }

    private void requireFinite(SafeTensorsHeader.Entry entry, FloatBuffer values, long before)
            throws ModelFileException {
        for (int i = 0; i < values.limit(); i++) {
            if (!Float.isFinite(values.get(i))) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s: element %,d of tensor %s is %s, so the model would compute nothing but that; use weights"
                                + " that are finite",
                        folder.path(file),
                        before + i,
                        entry.name(),
                        values.get(i)));
            }
        }
    }
}
