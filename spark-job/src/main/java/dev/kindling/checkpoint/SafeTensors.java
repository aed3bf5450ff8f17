package dev.kindling.checkpoint;

import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.SafeTensorsHeader;
import dev.kindling.interop.TensorContent;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/**
 * Reads the safetensors files of checkpoints: 8 bytes little-endian header length N, N bytes of JSON header, then the
 * tensors' little-endian float32 elements, without gaps.
 */
final class SafeTensors {
    /** Elements that are held at a time: 1 MiB. */
    private static final int PIECE = 1 << 18;

    private SafeTensors() {}

    /**
     * Reads a file of {@code fileBytes} bytes from {@code in}, which stays open, and hands out its tensors.
     *
     * @param name the file's name, for error messages
     * @throws CheckpointException if the bytes are not a safetensors file of float32 tensors without gaps
     */
    static void read(InputStream in, long fileBytes, String name, TensorTarget target) throws IOException {
        SafeTensorsHeader header;
        try {
            header = SafeTensorsHeader.read(in, fileBytes, name);
        } catch (ModelFileException e) {
            throw new CheckpointException(e.getMessage(), e);
        }
        ByteBuffer piece = ByteBuffer.allocate((int) Math.min(fileBytes, PIECE * Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        for (SafeTensorsHeader.Entry entry : header.tensors()) {
            if (!entry.dtype().equals("F32")) {
                throw new CheckpointException(name + " cannot be read: tensor " + entry.name() + " is " + entry.dtype()
                        + ", not F32; convert it to F32 first");
            }
            TensorContent.Sink sink = target.begin(entry.name(), entry.shape());
            for (long left = entry.end() - entry.begin(); left > 0; ) {
                int bytes = (int) Math.min(left, PIECE * Float.BYTES);
                if (in.readNBytes(piece.array(), 0, bytes) < bytes) {
                    throw new CheckpointException(name
                            + " is damaged: it ends within a tensor; use another checkpoint or write this file again");
                }
                FloatBuffer elements = piece.clear().limit(bytes).asFloatBuffer();
                sink.take(elements);
                left -= bytes;
            }
        }
    }
}
