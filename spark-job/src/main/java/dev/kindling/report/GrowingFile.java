package dev.kindling.report;

import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayDeque;
import java.util.Deque;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;

/**
 * A file of records, one a step, that grows while a run lasts. It is worth less than the run: when it cannot be written
 * that is a warning, and what is missing is kept until a new file can be begun in its place. Files are never appended to,
 * which some stores cannot do and others refuse after a crash. In a store of objects, where a file appears when it is
 * closed, {@link #flush} writes one. Not thread-safe.
 */
final class GrowingFile implements AutoCloseable {
    /** Some 30 MB of metrics; the oldest go first. */
    private static final int MOST_PENDING = 100_000;

    /** Where a file is begun, and what comes before its records. */
    interface Place {
        Path next();

        void writeHead(OutputStream out) throws IOException;

        /** What was begun is on the store, in full. */
        void publish(Path begun) throws IOException;
    }

    private record Pending(long step, byte[] bytes) {}

    private final Storage patient;
    private final Storage impatient;
    private final Place place;
    private final Outage outage;
    private final Deque<Pending> pending = new ArrayDeque<>();
    private FSDataOutputStream out; // null in a store of objects, and during an outage

    /**
     * Writes nothing yet.
     *
     * @param name for messages
     */
    GrowingFile(Storage storage, String name, Place place) {
        this.patient = storage;
        this.impatient = storage.withoutPatience();
        this.place = place;
        this.outage = new Outage(name);
    }

    /** Begins a file anew; records of steps after {@code step} are dropped. Returns as {@link #flush}. */
    boolean restart(long step) {
        pending.removeIf(record -> record.step > step);
        if (out != null) {
            Storage.abandon(out, new IOException("begun anew"));
            out = null;
        }
        return begin(impatient);
    }

    /**
     * Adds a record.
     *
     * @param flush whether to make it visible to readers now, where the store can do that
     * @return as {@link #flush}
     */
    boolean append(long step, byte[] record, boolean flush) {
        pending.addLast(new Pending(step, record));
        if (pending.size() > MOST_PENDING) {
            pending.removeFirst();
        }
        if (out == null) {
            return !impatient.isObjectStore() && outage.mayTry() && begin(impatient);
        }
        try {
            out.write(record);
            return flush && flushed();
        } catch (IOException | RuntimeException e) {
            fail(e);
            return false;
        }
    }

    /**
     * Has the records outlive this process.
     *
     * @return whether all of them do
     */
    boolean flush() {
        if (pending.isEmpty()) {
            return true;
        }
        if (out == null) {
            return outage.mayTry() && begin(impatient);
        }
        try {
            return flushed();
        } catch (IOException | RuntimeException e) {
            fail(e);
            return false;
        }
    }

    private boolean flushed() throws IOException {
        out.hflush();
        pending.clear();
        return true;
    }

    private void fail(Exception cause) {
        Storage.abandon(out, cause);
        out = null;
        outage.failed(cause);
    }

    private boolean begin(Storage storage) {
        FSDataOutputStream next = null;
        try {
            Path path = place.next();
            next = storage.files().create(path, true);
            place.writeHead(next);
            for (Pending record : pending) {
                next.write(record.bytes);
            }
            if (storage.isObjectStore()) {
                next.close();
            } else {
                next.hflush();
                out = next;
            }
            place.publish(path);
            pending.clear();
            outage.over();
            return true;
        } catch (IOException | RuntimeException e) {
            if (next != null) {
                Storage.abandon(next, e);
            }
            out = null;
            outage.failed(e);
            return false;
        }
    }

    /** Writes what is missing, with patience; says what is still missing then. */
    @Override
    public void close() {
        try {
            if (out != null) {
                out.close();
                pending.clear();
            }
        } catch (IOException | RuntimeException e) {
            outage.failed(e);
        }
        out = null;
        if (!pending.isEmpty() && begin(patient) && out != null) {
            Storage.abandon(out, new IOException("closed"));
            out = null;
        }
        if (!pending.isEmpty()) {
            outage.ended(pending.getFirst().step, pending.getLast().step);
        }
    }
}
