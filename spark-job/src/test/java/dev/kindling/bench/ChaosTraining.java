package dev.kindling.bench;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** One training by a {@code submit.sh} whose jar is a {@link ChaosJar}; it may be resumed. */
final class ChaosTraining implements AutoCloseable {
    /** A step that a rank has finished. */
    record Step(long millis, long pid, int generation, long step) {}

    private static final Pattern NAMED =
            Pattern.compile("(\\S+ \\S+) WARN .*Generation \\d+ fails, its first cause: (.*)");
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS");
    private static final long END_SECONDS = 600;

    private final Path submit;
    private final Path folder;
    private final Path run;
    private final List<String> options;
    private final List<String> settings;
    private final List<Step> steps = new ArrayList<>();
    /** How far the file of each process has been read. */
    private final Map<Path, Long> read = new HashMap<>();

    private Process process;

    /**
     * Not started yet.
     *
     * @param submit the script
     * @param folder new, for the run directory and what the hooks write
     * @param options of {@code train}
     * @param settings of the configuration
     */
    ChaosTraining(Path submit, Path folder, List<String> options, List<String> settings) throws IOException {
        this.submit = submit;
        this.folder = Files.createDirectories(folder);
        this.run = folder.resolve("run");
        this.options = options;
        this.settings = settings;
    }

    void start(boolean resume) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                submit.toString(),
                "--conf",
                "spark.executor.extraJavaOptions=-D" + ChaosHooks.FOLDER + "=" + folder,
                "train",
                "--out",
                run.toString()));
        settings.forEach(setting -> command.addAll(List.of("--set", setting)));
        command.addAll(options); // of which a later one wins
        if (resume) {
            command.add("--resume");
        }
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        folder.resolve("console.txt").toFile()))
                .start();
    }

    boolean isRunning() {
        return process.isAlive();
    }

    /** Kills the driver's JVM and waits until the command has ended. */
    void killDriver() throws InterruptedException {
        Stream.concat(Stream.of(process.toHandle()), process.descendants())
                .filter(each -> each.info().commandLine().orElse("").contains("org.apache.spark.deploy.SparkSubmit"))
                .forEach(ProcessHandle::destroyForcibly);
        process.waitFor();
    }

    void awaitEnd() throws InterruptedException {
        if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new IllegalStateException("the training did not end well; see " + folder.resolve("console.txt"));
        }
    }

    /** Every step that was finished so far, by any rank. */
    List<Step> steps() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file :
                    files.filter(path -> path.toString().endsWith(".steps")).toList()) {
                readOn(file);
            }
        }
        return List.copyOf(steps);
    }

    private void readOn(Path file) throws IOException {
        long pid = Long.parseLong(file.getFileName().toString().replace(".steps", ""));
        try (RandomAccessFile lines = new RandomAccessFile(file.toFile(), "r")) {
            long at = read.getOrDefault(file, 0L);
            byte[] bytes = new byte[(int) (lines.length() - at)];
            lines.seek(at);
            lines.readFully(bytes);
            String text = new String(bytes, StandardCharsets.UTF_8);
            String whole = text.substring(0, text.lastIndexOf('\n') + 1);
            read.put(file, at + whole.length());
            whole.lines()
                    .map(line -> line.split(" "))
                    .forEach(parts -> steps.add(new Step(
                            Long.parseLong(parts[0]), pid, Integer.parseInt(parts[1]), Long.parseLong(parts[2]))));
        }
    }

    /** When the driver first named a cause, within these times. */
    OptionalLong namedBetween(long from, long to) throws IOException {
        // A driver that was killed may have left half a line.
        return Files.readAllLines(run.resolve("kindling.log")).stream()
                .map(NAMED::matcher)
                .filter(Matcher::find)
                .mapToLong(found -> LocalDateTime.parse(found.group(1), TIME)
                        .atZone(ZoneId.systemDefault())
                        .toInstant()
                        .toEpochMilli())
                .filter(named -> named >= from && named <= to)
                .findFirst();
    }

    /** How often an executor has become ready to take a lost seat: once in each generation. */
    long sparesReady() throws IOException {
        Path log = run.resolve("kindling.log");
        return Files.exists(log)
                ? Files.readAllLines(log).stream()
                        .filter(line -> line.contains("ready to take a lost seat: "))
                        .count()
                : 0;
    }

    /** Asks the hooks of a process for something. */
    void ask(long pid, String what) throws IOException {
        Files.createFile(folder.resolve(pid + "." + what));
    }

    byte[] weights(long step) throws IOException {
        return Files.readAllBytes(
                run.resolve(String.format(Locale.ROOT, "checkpoints/step-%07d/model.safetensors", step)));
    }

    @Override
    public void close() {
        Stream.concat(process.descendants(), Stream.of(process.toHandle())).forEach(ProcessHandle::destroyForcibly);
    }
}
