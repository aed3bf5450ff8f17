package dev.kindling.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.storage.Storage;
import java.io.BufferedReader;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.Path;

/**
 * {@code metrics.jsonl}: one JSON object a step. Lines reach readers within a second where the file system can flush, and
 * with {@link #flush} elsewhere. That it cannot be written is a warning; the file is completed as soon as it can. Not
 * thread-safe.
 */
public final class MetricsLog implements AutoCloseable {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final long FLUSH_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Storage storage;
    private final Path file;
    private final GrowingFile lines;
    private long flushedNanos = System.nanoTime();
    /** The last step whose line is on the store for good. */
    private long durable;

    private long last;

    /** The log in {@code file}; nothing is written before {@link #restart}. */
    public MetricsLog(Storage storage, Path file) {
        this.storage = storage.withoutPatience();
        this.file = file;
        this.lines = new GrowingFile(storage, file.getName(), new Rewriting());
    }

    /**
     * Goes on after {@code step}; 0 begins a run. Lines of later steps, which an earlier attempt wrote past its last
     * checkpoint, are removed, and damaged ones left out with a warning. The file is replaced as a whole, so a crash leaves
     * the old one.
     */
    public void restart(long step) {
        durable = step;
        last = step;
        lines.restart(step);
    }

    /** The last step that {@code file} has a whole line of; 0 if there is none. */
    public static long lastStep(Storage storage, Path file) throws IOException {
        try (BufferedReader lines = read(storage, file)) {
            long last = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                last = Math.max(last, stepOf(line));
            }
            return last;
        } catch (FileNotFoundException e) {
            return 0;
        }
    }

    private static BufferedReader read(Storage storage, Path file) throws IOException {
        return new BufferedReader(new InputStreamReader(storage.files().open(file), StandardCharsets.UTF_8));
    }

    /** Adds the line of the step after the last one. */
    public void append(StepMetrics metrics) {
        long now = System.nanoTime();
        boolean flush = now - flushedNanos > FLUSH_NANOS || metrics.valLoss().isPresent();
        byte[] line = (metrics.toJson() + "\n").getBytes(StandardCharsets.UTF_8);
        last = metrics.step();
        if (lines.append(metrics.step(), line, flush)) {
            durable = last;
            flushedNanos = now;
        }
    }

    /** Has all lines outlive this process. */
    public void flush() {
        if (lines.flush()) {
            durable = last;
        }
    }

    @Override
    public void close() {
        lines.close();
    }

    /** A new file takes over the lines that are for good, beside the old one until it is whole. */
    private final class Rewriting implements GrowingFile.Place {
        @Override
        public Path next() {
            return storage.isObjectStore() ? file : new Path(file.getParent(), "." + file.getName() + ".part");
        }

        @Override
        public void writeHead(OutputStream out) throws IOException {
            long copied = 0;
            long damaged = 0;
            try (BufferedReader old = read(storage, file)) {
                boolean torn = false;
                for (String line = old.readLine(); line != null; line = old.readLine()) {
                    damaged += torn ? 1 : 0;
                    long step = stepOf(line);
                    torn = step < 0; // the last line, by a crash
                    if (step > copied && step <= durable) {
                        out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
                        copied = step;
                    }
                }
            } catch (FileNotFoundException e) {
                copied = 0; // the first file
            }
            if (damaged > 0) {
                Outage.tell("%s had %d damaged line(s), which are left out", file, damaged);
            }
            if (copied < durable) {
                Outage.tell("%s lacks the steps %d to %d", file, copied + 1, durable);
            }
        }

        @Override
        public void publish(Path begun) throws IOException {
            if (!begun.equals(file)) {
                storage.replace(begun, file);
            }
        }
    }

    private static long stepOf(String line) {
        try {
            return JSON.readTree(line).path("step").asLong(-1);
        } catch (JsonProcessingException e) {
            return -1;
        }
    }
}
