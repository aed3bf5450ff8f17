package dev.kindling.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.storage.Storage;
import java.io.BufferedReader;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;

/**
 * {@code metrics.jsonl}: one JSON object a step. Lines reach readers within a second where the file system can flush.
 * Not thread-safe.
 */
public final class MetricsLog implements AutoCloseable {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final long FLUSH_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final FSDataOutputStream out;
    private long flushedNanos = System.nanoTime();

    private MetricsLog(FSDataOutputStream out) {
        this.out = out;
    }

    /**
     * Opens {@code file} for the steps after {@code step}; 0 begins a run. Lines of later steps, which an earlier
     * attempt wrote past its last checkpoint, are removed first. The file is replaced as a whole, so a crash leaves the
     * old one.
     *
     * @throws IOException also if a line other than the last is damaged
     */
    public static MetricsLog resume(Storage storage, Path file, long step) throws IOException {
        String kept = linesUpTo(storage, file, step);
        storage.write(file, kept);
        try {
            return new MetricsLog(storage.files().append(file));
        } catch (UnsupportedOperationException e) { // an object store, which replaces a file when it is closed
            FSDataOutputStream out = storage.files().create(file, true);
            out.write(kept.getBytes(StandardCharsets.UTF_8));
            return new MetricsLog(out);
        }
    }

    /** The last step that {@code file} has a whole line of; 0 if there is none. */
    public static long lastStep(Storage storage, Path file) throws IOException {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(storage.files().open(file), StandardCharsets.UTF_8))) {
            long last = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                last = Math.max(last, stepOf(line));
            }
            return last;
        } catch (FileNotFoundException e) {
            return 0;
        }
    }

    public void append(StepMetrics metrics) throws IOException {
        out.write((JSON.writeValueAsString(metrics.toJson()) + "\n").getBytes(StandardCharsets.UTF_8));
        long now = System.nanoTime();
        if (now - flushedNanos > FLUSH_NANOS || metrics.valLoss().isPresent()) {
            out.hflush();
            flushedNanos = now;
        }
    }

    @Override
    public void close() throws IOException {
        out.close();
    }

    private static String linesUpTo(Storage storage, Path file, long step) throws IOException {
        List<String> lines;
        try {
            lines = storage.read(file).lines().toList();
        } catch (FileNotFoundException e) {
            return "";
        }
        boolean torn = !lines.isEmpty() && stepOf(lines.get(lines.size() - 1)) < 0; // by a crash
        List<String> whole = torn ? lines.subList(0, lines.size() - 1) : lines;
        for (int i = 0; i < whole.size(); i++) {
            if (stepOf(whole.get(i)) < 0) {
                throw new IOException(
                        file + " is damaged: line " + (i + 1) + " is no metrics line; delete the line, then resume");
            }
        }
        return whole.stream()
                .filter(line -> stepOf(line) <= step)
                .map(line -> line + "\n")
                .collect(Collectors.joining());
    }

    private static long stepOf(String line) {
        try {
            return JSON.readTree(line).path("step").asLong(-1);
        } catch (JsonProcessingException e) {
            return -1;
        }
    }
}
