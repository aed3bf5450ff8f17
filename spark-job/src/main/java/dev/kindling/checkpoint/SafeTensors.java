package dev.kindling.checkpoint;

import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.SafeTensorsHeader;
import dev.kindling.interop.TensorContent;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/**
 * Reads the safetensors files of checkpoints: 8 bytes little-endian header length N, N bytes of JSON header, then the
 * tensors' little-endian elements, float32 or bfloat16, without gaps.
 */
final class SafeTensors {
    /** Elements that are held at a time: 1 MiB. */
    private static final int PIECE = 1 << 18;

    private SafeTensors() {}

    /**
     * Reads a file of {@code fileBytes} bytes from {@code in}, which stays open, and hands out its tensors.
     *
     * @param name the file's name, for error messages
     * @throws CheckpointException if the bytes are not a safetensors file of such tensors without gaps
     */
    static void read(InputStream in, long fileBytes, String name, TensorTarget target) throws IOException {
        SafeTensorsHeader header;
        try {
            header = SafeTensorsHeader.read(in, fileBytes, name);
        } catch (ModelFileException e) {
            throw new CheckpointException(e.getMessage(), e);
        }
        for (SafeTensorsHeader.Entry entry : header.tensors()) {
            copy(in, entry, name, target.begin(entry.name(), entry.shape()));
        }
    }

    /** Hands out the elements of a tensor, at whose first byte {@code in} is. */
    static void copy(InputStream in, SafeTensorsHeader.Entry entry, String name, TensorContent.Sink sink)
            throws IOException {
        boolean half = entry.dtype().equals("BF16");
        if (!half && !entry.dtype().equals("F32")) {
            throw new CheckpointException(name + " cannot be read: tensor " + entry.name() + " is " + entry.dtype()
                    + ", not F32 or BF16; convert it first");
        }
        long left = entry.end() - entry.begin();
        ByteBuffer piece =
                ByteBuffer.allocate((int) Math.min(left, PIECE * Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        for (; left > 0; left -= piece.limit()) {
            int bytes = (int) Math.min(left, piece.capacity());
            if (in.readNBytes(piece.array(), 0, bytes) < bytes) {
                throw new CheckpointException(
                        name + " is damaged: it ends within a tensor; use another checkpoint or write this file again");
            }
            piece.clear().limit(bytes);
            sink.take(half ? widened(piece.asShortBuffer()) : piece.asFloatBuffer());
        }
    }

    private static FloatBuffer widened(ShortBuffer halves) {
        float[] wide = new float[halves.remaining()];
        Bf16Rows.get(halves, wide, 0, wide.length);
        return FloatBuffer.wrap(wide);
    }
}
