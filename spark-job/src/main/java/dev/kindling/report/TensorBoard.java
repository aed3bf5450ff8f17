package dev.kindling.report;

import dev.kindling.storage.Storage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.apache.hadoop.fs.Path;

/**
 * A TensorBoard event file: TFRecord frames (length, masked CRC32C, bytes, masked CRC32C) of tensorflow.Event messages
 * with scalars. A resumed run adds another file, as does each {@link #flush} in a store of objects; TensorBoard takes steps
 * that are in two from the newer one. Not thread-safe.
 */
public final class TensorBoard implements AutoCloseable {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    private final Path directory;
    private final Clock clock;
    private final GrowingFile events;
    private long lastSeconds;

    /** Event files in {@code directory}; nothing is written before {@link #restart}. */
    public TensorBoard(Storage storage, Path directory, Clock clock) {
        this.directory = directory;
        this.clock = clock;
        this.events = new GrowingFile(storage, "TensorBoard's event file", new Following());
    }

    /** Begins another file for the steps after {@code step}. */
    public void restart(long step) {
        events.restart(step);
    }

    /** {@code events.out.tfevents.SECONDS.kindling.ID}, each of a later second than those before, in which order they are read. */
    private final class Following implements GrowingFile.Place {
        @Override
        public Path next() {
            lastSeconds = Math.max(lastSeconds + 1, clock.instant().getEpochSecond());
            String name =
                    String.format(Locale.ROOT, "events.out.tfevents.%010d.kindling.%s", lastSeconds, UUID.randomUUID());
            return new Path(directory, name);
        }

        @Override
        public void writeHead(OutputStream out) throws IOException {
            Proto event = event();
            event.bytes(3, "brain.Event:2".getBytes(StandardCharsets.UTF_8));
            out.write(record(event.toByteArray()));
        }

        @Override
        public void publish(Path begun) {
            // It is where it belongs.
        }
    }

    /** Appends the step's loss, learning rate, gradient norm and speed, and its validation loss if there is one. */
    public void append(StepMetrics metrics) {
        Proto summary = new Proto();
        summary.bytes(1, scalar("loss/train", metrics.loss()));
        summary.bytes(1, scalar("lr", metrics.lr()));
        summary.bytes(1, scalar("grad_norm", metrics.gradNorm()));
        summary.bytes(1, scalar("tokens_per_second", metrics.tokensPerSecond()));
        if (metrics.valLoss().isPresent()) {
            summary.bytes(1, scalar("loss/val", metrics.valLoss().getAsDouble()));
        }
        Proto event = event();
        event.tag(2, VARINT);
        event.varint(metrics.step());
        event.bytes(5, summary.toByteArray());
        events.append(
                metrics.step(), record(event.toByteArray()), metrics.valLoss().isPresent());
    }

    /** Has all steps outlive this process. */
    public void flush() {
        events.flush();
    }

    @Override
    public void close() {
        events.close();
    }

    /** An Event with its wall_time, in seconds. */
    private Proto event() {
        Instant now = clock.instant();
        Proto event = new Proto();
        event.tag(1, FIXED64);
        event.fixed(8, Double.doubleToRawLongBits(now.getEpochSecond() + now.getNano() * 1e-9));
        return event;
    }

    private static byte[] scalar(String tag, double value) {
        Proto proto = new Proto();
        proto.bytes(1, tag.getBytes(StandardCharsets.UTF_8));
        proto.tag(2, FIXED32);
        proto.fixed(4, Float.floatToRawIntBits((float) value));
        return proto.toByteArray();
    }

    private static byte[] record(byte[] data) {
        byte[] length = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(data.length)
                .array();
        ByteBuffer frame = ByteBuffer.allocate(8 + 4 + data.length + 4).order(ByteOrder.LITTLE_ENDIAN);
        frame.put(length).putInt(maskedCrc(length)).put(data).putInt(maskedCrc(data));
        return frame.array();
    }

    /** TFRecord's masked CRC32C: rotated right by 15 bits, plus a constant. */
    static int maskedCrc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
    }

    /** The four wire types of protocol buffers that an Event needs. */
    private static final class Proto extends ByteArrayOutputStream {
        void tag(int field, int wireType) {
            varint((long) field << 3 | wireType);
        }

        void varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                write((int) ((rest & 0x7f) | 0x80));
                rest >>>= 7;
            }
            write((int) rest);
        }

        void fixed(int bytes, long value) {
            for (int i = 0; i < bytes; i++) {
                write((int) (value >>> (8 * i)));
            }
        }

        void bytes(int field, byte[] value) {
            tag(field, BYTES);
            varint(value.length);
            writeBytes(value);
        }
    }
}
