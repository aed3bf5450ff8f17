package dev.kindling.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.kindling.run.RunDirectory;
import dev.kindling.run.RunSummary;
import dev.kindling.storage.Storage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path run;

    private Storage storage;

    @BeforeEach
    void open() throws IOException {
        storage = Storage.of(hadoop(run), new Configuration(false));
    }

    @Test
    void aLineAStepWithTheDocumentedKeys() throws IOException {
        try (MetricsLog log = log(0)) {
            log.append(metrics(1, OptionalDouble.empty()));
            log.append(metrics(2, OptionalDouble.of(2.5)));
        }
        List<String> lines = Files.readAllLines(run.resolve("metrics.jsonl"));
        assertThat(lines).hasSize(2);
        assertThat(lines.get(0))
                .isEqualTo("{\"step\":1,\"loss\":4.25,\"lr\":0.001,\"grad_norm\":1.5,\"tokens_per_second\":12345.0,"
                        + "\"step_millis\":62.5,\"world_size\":2,\"data_millis\":[1.0,2.0],\"compute_millis\":[50.25,60.0],"
                        + "\"communication_millis\":0.5,\"wait_millis\":[10.75,0.0]}");
        assertThat(JSON.readTree(lines.get(1)).get("val_loss").asDouble()).isEqualTo(2.5);
    }

    @Test
    void theLineOfAThousandRanksHasThreeNumbersOfEachTime() {
        List<RankTimes> times = IntStream.rangeClosed(1, 1000)
                .mapToObj(rank -> times(rank, 2 * rank, 1001 - rank))
                .toList();
        JsonNode line = new StepMetrics(1, 4, 1e-3, 1, 1, List.of(), 62.5, OptionalDouble.empty(), times).toJson();
        assertThat(line.get("world_size").asInt()).isEqualTo(1000);
        assertThat(line.get("data_millis")).hasToString("{\"min\":1.0,\"median\":500.5,\"max\":1000.0}");
        assertThat(line.get("compute_millis")).hasToString("{\"min\":2.0,\"median\":1001.0,\"max\":2000.0}");
        assertThat(line.get("wait_millis")).hasToString("{\"min\":0.0,\"median\":499.5,\"max\":999.0}");
    }

    @Test
    void onResumeLaterAndTornLinesGo() throws IOException {
        try (MetricsLog log = log(0)) {
            for (int step = 1; step <= 7; step++) {
                log.append(metrics(step, OptionalDouble.empty()));
            }
        }
        Files.writeString(
                run.resolve("metrics.jsonl"), Files.readString(run.resolve("metrics.jsonl")) + "{\"step\":8,\"lo");
        try (MetricsLog log = log(5)) {
            log.append(metrics(6, OptionalDouble.empty()));
        }
        assertThat(Files.readAllLines(run.resolve("metrics.jsonl")))
                .extracting(line -> JSON.readTree(line).get("step").asInt())
                .containsExactly(1, 2, 3, 4, 5, 6);
        try (Stream<Path> files = Files.list(run)) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void aDamagedLineIsLeftOut() throws IOException {
        Files.writeString(run.resolve("metrics.jsonl"), "{\"step\":1}\nnonsense\n{\"step\":2}\n");
        log(2).close();
        assertThat(run.resolve("metrics.jsonl")).content().isEqualTo("{\"step\":1}\n{\"step\":2}\n");
    }

    private MetricsLog log(long step) {
        MetricsLog log = new MetricsLog(storage, hadoop(run.resolve("metrics.jsonl")));
        log.restart(step);
        return log;
    }

    @Test
    void theSummaryHasTheDocumentedKeys() throws IOException {
        RunDirectory.at(run.toString(), new Configuration(false))
                .write(new RunSummary(
                        2000,
                        OptionalDouble.of(1.5),
                        OptionalDouble.of(1.875),
                        OptionalDouble.of(1e4),
                        OptionalDouble.of(1.14),
                        3,
                        80.5,
                        2,
                        1 << 20,
                        new Stragglers(List.of("rank 0", "rank 1")),
                        OptionalDouble.of(0.25),
                        Map.of("device", "cpu", "attention", "flash", "allreduce", "ring")));
        JsonNode summary = JSON.readTree(run.resolve("summary.json").toFile());
        assertThat(summary.properties())
                .extracting(Map.Entry::getKey)
                .containsExactly(
                        "steps",
                        "train_loss",
                        "best_val_loss",
                        "tokens_per_second",
                        "joules_per_thousand_tokens",
                        "finished_steps_lost",
                        "wall_seconds",
                        "world_size",
                        "peak_bytes",
                        "ranks",
                        "padding_saved",
                        "allreduce",
                        "attention",
                        "device");
        assertThat(summary.get("best_val_loss").asDouble()).isEqualTo(1.875);
    }

    @Test
    void theSlowestRankIsNamedWhenItCostsMoreThanATenth() {
        assertThat(stragglers(List.of(times(2, 70, 0.5), times(1, 60, 11.5), times(1, 62, 9.5)))
                        .slowest())
                .hasValueSatisfying(said -> assertThat(said)
                        .startsWith(
                                "rank 0 (executor 5 on node7) is the slowest: data 2.0 ms and compute 70.0 ms a step,"
                                        + " others 1.0 and 61.0; costs 14 % of the training time"));
        assertThat(stragglers(List.of(times(1, 66, 5), times(1, 60, 11), times(1, 64, 7)))
                        .slowest())
                .isEmpty();
        assertThat(stragglers(List.of(times(20, 50, 0.5))).slowest()).isEmpty();
    }

    private static RankTimes times(double data, double compute, double exchange) {
        return new RankTimes(data, compute, exchange);
    }

    /** After three slow steps that do not count, seven alike. */
    private static Stragglers stragglers(List<RankTimes> ranks) {
        List<String> places = List.of("rank 0 (executor 5 on node7)", "rank 1", "rank 2");
        Stragglers stragglers = new Stragglers(places.subList(0, ranks.size()));
        List<RankTimes> warmUp = ranks.stream()
                .map(rank -> times(rank.exchangeMillis() * 100, 900, 0))
                .toList();
        for (int step = 0; step < 10; step++) {
            List<RankTimes> times = step < 3 ? warmUp : ranks;
            stragglers.add(new StepMetrics(step, 4, 1e-3, 1, 1, List.of(1.0), 72.5, OptionalDouble.empty(), times));
        }
        return stragglers;
    }

    @Test
    void eventFilesAreFramedAsTensorBoardReadsThem() throws IOException {
        Clock clock = Clock.fixed(Instant.ofEpochSecond(1_700_000_000L), ZoneOffset.UTC);
        try (TensorBoard board = new TensorBoard(storage, hadoop(run), clock)) {
            board.restart(0);
            board.append(metrics(300, OptionalDouble.of(2.5)));
        }
        Path file;
        try (Stream<Path> files = Files.list(run)) {
            file = files.findFirst().orElseThrow();
        }
        assertThat(file.getFileName().toString()).startsWith("events.out.tfevents.1700000000.kindling.");
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        byte[] first = record(bytes);
        assertThat(ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getDouble(1))
                .isEqualTo(1.7e9);
        assertThat(new String(first, StandardCharsets.ISO_8859_1)).endsWith("\u001a\rbrain.Event:2");
        String second = new String(record(bytes), StandardCharsets.ISO_8859_1);
        assertThat(second).contains("\u0010\u00ac\u0002").contains("loss/train", "loss/val", "grad_norm");
        assertThat(bytes.hasRemaining()).isFalse();
    }

    /** The published check value of CRC32C("123456789") is e3069283, masked by hand. */
    @Test
    void theMaskIsTfRecords() {
        int crc = 0xe3069283;
        assertThat(TensorBoard.maskedCrc("123456789".getBytes(StandardCharsets.US_ASCII)))
                .isEqualTo(((crc >>> 15) | (crc << 17)) + 0xa282ead8);
    }

    @Test
    void withoutATerminalALineAtEvaluationsAndAtTheEnd() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        try (TrainProgress progress = new TrainProgress(0, 4, false, out, Duration.ofHours(1))) {
            progress.update(metrics(1, OptionalDouble.empty()));
            progress.update(metrics(2, OptionalDouble.of(2.5)));
            progress.update(metrics(3, OptionalDouble.empty()));
            progress.update(metrics(4, OptionalDouble.empty()));
        }
        assertThat(bytes.toString(StandardCharsets.UTF_8).lines())
                .containsExactly(
                        "step 2/4  loss 4.2500  val 2.5000  12,345 tokens/s  ETA 0:00:00",
                        "step 4/4  loss 4.2500  val 2.5000  12,345 tokens/s  ETA 0:00:00");
    }

    private static byte[] record(ByteBuffer bytes) {
        byte[] length = new byte[8];
        bytes.get(length);
        assertThat(bytes.getInt()).isEqualTo(TensorBoard.maskedCrc(length));
        byte[] data = new byte
                [(int) ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong()];
        bytes.get(data);
        assertThat(bytes.getInt()).isEqualTo(TensorBoard.maskedCrc(data));
        return data;
    }

    private static StepMetrics metrics(long step, OptionalDouble valLoss) {
        return new StepMetrics(
                step,
                4.25,
                1e-3,
                1.5,
                12345,
                List.of(6000.0, 6345.0),
                62.5,
                valLoss,
                List.of(times(1, 50.25, 11.25), times(2, 60, 0.5)));
    }

    private static org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path(path.toString());
    }
}
