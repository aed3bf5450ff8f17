package dev.kindling.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileUtil;

/**
 * The driver's heap while a corpus of many small files is prepared, as a user does it, with the heap that Spark gives a
 * driver where nothing is said (1 GiB). Prints the most that was left after a collection, the most before one, and the time.
 * Arguments: files (default 1,000,000), heap (1g). Run in the checkout's root; it takes as many inodes as there are files.
 */
public final class MillionFilesBench {
    private static final int FILES_A_FOLDER = 1_000;
    /** In a log of -Xlog:gc: before, after, size. */
    private static final Pattern PAUSE = Pattern.compile("Pause .* (\\d+)M->(\\d+)M\\((\\d+)M\\)");

    private MillionFilesBench() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        int files = args.length > 0 ? Integer.parseInt(args[0]) : 1_000_000;
        String heap = args.length > 1 ? args[1] : "1g";
        Path folder = Files.createTempDirectory("kindling-million-files");
        try {
            long began = System.nanoTime();
            write(folder.resolve("corpus"), files);
            double written = (System.nanoTime() - began) / 1e9;
            began = System.nanoTime();
            int code = prepare(folder, heap);
            double prepared = (System.nanoTime() - began) / 1e9;
            long before = 0;
            long after = 0;
            for (String line : Files.readAllLines(folder.resolve("gc.log"))) {
                Matcher pause = PAUSE.matcher(line);
                if (pause.find()) {
                    before = Math.max(before, Long.parseLong(pause.group(1)));
                    after = Math.max(after, Long.parseLong(pause.group(2)));
                }
            }
            System.out.printf(
                    Locale.ROOT,
                    "%,d files (written in %.0f s), driver's heap %s: prepared in %.0f s, at most %d MiB after a collection, %d MiB before one, exit code %d%n",
                    files,
                    written,
                    heap,
                    prepared,
                    after,
                    before,
                    code);
        } finally {
            FileUtil.fullyDelete(folder.toFile());
        }
    }

    private static void write(Path corpus, int files) throws IOException {
        for (int file = 0; file < files; file++) {
            Path folder = corpus.resolve(String.format(Locale.ROOT, "part-%05d", file / FILES_A_FOLDER));
            if (file % FILES_A_FOLDER == 0) {
                Files.createDirectories(folder);
            }
            Files.writeString(
                    folder.resolve(String.format(Locale.ROOT, "document-%07d.txt", file)),
                    "Document number " + file + " has these few words.\n");
        }
    }

    private static int prepare(Path folder, String heap) throws IOException, InterruptedException {
        ProcessBuilder submit = new ProcessBuilder(List.of(
                        "./submit.sh",
                        "--driver-memory",
                        heap,
                        "prepare",
                        "--corpus",
                        folder.resolve("corpus").toString(),
                        "--tokenizer",
                        "char",
                        "--out",
                        folder.resolve("shards").toString()))
                .inheritIO();
        submit.environment().put("SPARK_SUBMIT_OPTS", "-Xlog:gc:file=" + folder.resolve("gc.log"));
        Process job = submit.start();
        job.waitFor(1, TimeUnit.HOURS);
        return job.exitValue();
    }
}
