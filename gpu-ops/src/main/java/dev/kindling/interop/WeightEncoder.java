package dev.kindling.interop;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Locale;

/** Writes a tensor's elements as they come, in ggml's layout of their type. */
final class WeightEncoder implements TensorContent.Sink {
    private static final int CHUNK = 1 << 14;
    /** The largest quantity of a Q8_0 weight. */
    private static final int MOST = 127;

    private final GgufFile.Tensor tensor;
    private final OutputStream out;
    private final ByteBuffer chunk = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final float[] block = new float[GgufFile.BLOCK];
    private int inBlock;
    private long written;

    WeightEncoder(GgufFile.Tensor tensor, OutputStream out) {
        this.tensor = tensor;
        this.out = out;
    }

    /** Bytes so far. */
    long written() {
        return written;
    }

    @Override
    public void take(FloatBuffer next) throws IOException {
        while (next.hasRemaining()) {
            chunk.clear();
            for (int n = Math.min(next.remaining(), CHUNK); n > 0; n--) {
                encode(next.get());
            }
            out.write(chunk.array(), 0, chunk.position());
            written += chunk.position();
        }
    }

    private void encode(float value) throws ModelFileException {
        switch (tensor.type()) {
            case F32 -> chunk.putFloat(value);
            case F16 -> chunk.putShort(finite(value));
            case Q8_0 -> {
                block[inBlock++] = value;
                if (inBlock == block.length) {
                    encodeBlock();
                    inBlock = 0;
                }
            }
            case BF16 -> throw new IllegalArgumentException("BF16 is not written to GGUF");
        }
    }

    /** d = max |w| / 127 and q = round(w / d), as ggml's reference has it. */
    private void encodeBlock() throws ModelFileException {
        float largest = 0;
        for (float value : block) {
            largest = Math.max(largest, Math.abs(value));
        }
        float scale = largest / MOST;
        float inverse = scale == 0 ? 0 : 1 / scale;
        chunk.putShort(finite(scale));
        for (float value : block) {
            float scaled = value * inverse;
            chunk.put((byte) (scaled < 0 ? -Math.round(-scaled) : Math.round(scaled)));
        }
    }

    private short finite(float value) throws ModelFileException {
        short bits = HalfFloats.toF16(value);
        if (!Float.isFinite(HalfFloats.fromF16(bits))) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "tensor %s holds %s, and F16 ends at 65504; choose F32, or another checkpoint",
                    tensor.name(),
                    value));
        }
        return bits;
    }
}
