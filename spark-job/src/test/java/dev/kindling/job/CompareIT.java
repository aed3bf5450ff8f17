package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code compare} on two real executors, with a tiny model. */
class CompareIT {
    @TempDir
    private static Path folder;

    private static CommandRuns runs;
    private static String corpus;

    @BeforeAll
    static void start() throws Exception {
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt")).toString();
        runs = new CommandRuns("60s");
    }

    @AfterAll
    static void stop() {
        runs.close();
    }

    private static CommandRuns.Printed compare(Path out, String... more) {
        Stream<String> settings = Stream.concat(CommandRuns.TINY.stream(), Stream.of("data.corpus=" + corpus));
        return runs.run(Stream.of(
                        Stream.of("compare", "--config", "shakespeare-char-cpu", "--device", "cpu", "--out", "" + out),
                        Stream.of("--warm-up", "5", "--rounds", "3", "--steps", "2"),
                        settings.flatMap(setting -> Stream.of("--set", setting)),
                        Stream.of(more))
                .flatMap(arguments -> arguments)
                .toArray(String[]::new));
    }

    @Test
    void everyBackendHasNumbersOrItsReasonAtEveryLengthAndWorldSize() throws Exception {
        Path out = folder.resolve("report");
        CommandRuns.Printed printed =
                compare(out, "--lengths", "13,32", "--executors", "1,2", "--compile", "true,false");
        assertThat(printed.code()).as(printed.err() + printed.out()).isZero();
        assertThat(printed.out())
                .containsPattern("2 executor\\(s\\), length 32")
                .containsPattern("flash +eager +[0-9.]+ ±[0-9.]+ +[0-9.]+ ±[0-9.]+ +[0-9,]+ ±[0-9,]+ ")
                .contains("efficient  eager     cannot run: EFFICIENT runs on CUDA only");

        JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
        List<String> cases = new ArrayList<>();
        for (JsonNode row : report.get("results")) {
            String name = "%d %d %s %s"
                    .formatted(
                            row.get("executors").asInt(),
                            row.get("length").asInt(),
                            row.get("mode").asText(),
                            row.get("backend").asText());
            cases.add(name);
            if (row.get("backend").asText().equals("efficient")) {
                assertThat(row.get("refusal").asText()).contains("CUDA only");
            } else {
                checkNumbers(
                        row, row.get("executors").asInt(), row.get("length").asInt());
            }
        }
        List<String> wanted = new ArrayList<>();
        for (int executors : new int[] {1, 2}) {
            for (int length : new int[] {13, 32}) {
                for (String backend : new String[] {"math", "flash", "efficient"}) {
                    wanted.add("%d %d eager %s".formatted(executors, length, backend));
                }
            }
        }
        assertThat(cases).isEqualTo(wanted);
        try (var files = Files.list(out)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("report.json", "report.html");
        }
        String html = Files.readString(out.resolve("report.html"));
        assertThat(html.split("<svg", -1)).hasSize(7); // six charts
        assertThat(html).contains("efficient", "CUDA only", "95 %").doesNotContain("src=", "href=", "NaN");
    }

    private static void checkNumbers(JsonNode row, int executors, int length) {
        double millis = row.get("step_millis").get("mean").asDouble();
        double rate = row.get("step_tokens_per_second").get("mean").asDouble();
        assertThat(row.get("step_millis").get("samples")).hasSize(3);
        assertThat(millis * rate / 1e3).isBetween(8.0 * length, 8.0 * length * 2); // a mean of inverses is higher
        assertThat(row.get("forward_millis").get("mean").asDouble()).isPositive();
        assertThat(row.get("memory_bytes").asLong()).isPositive();
        assertThat(row.get("attention_share").asDouble()).isBetween(0.01, 0.9);
        assertThat(row.get("mfu").asDouble()).isBetween(0.0, 1.0);
        assertThat(row.get("loss_parity").get("reference").asText()).isEqualTo("math");
        assertThat(row.get("loss_parity").get("max_relative_difference").asDouble())
                .isLessThan(row.get("loss_parity").get("tolerance").asDouble());
        assertThat(row.get("ranks")).hasSize(executors);
        int sequences = 0;
        for (JsonNode rank : row.get("ranks")) {
            assertThat(rank.get("attention").asText())
                    .isEqualTo(row.get("backend").asText());
            assertThat(rank.get("device").asText()).contains("CPU");
            assertThat(rank.get("precision").asText()).isEqualTo("fp32");
            assertThat(rank.get("allreduce").asText()).isEqualTo(executors == 1 ? "single" : "ring");
            sequences += rank.get("sequences").asInt();
        }
        assertThat(sequences).isEqualTo(8);
    }

    @Test
    void aFailureLeavesNothing() throws Exception {
        Path out = folder.resolve("failed");
        CommandRuns.Printed printed = compare(out, "--lengths", "1000000");
        assertThat(printed.code()).as(printed.err()).isEqualTo(2);
        assertThat(printed.err()).contains("sequences of 1000000 tokens do not fit the corpus");
        try (var files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString())).noneMatch(name -> name.contains("failed"));
        }
    }

    @Test
    void badOptionsAreUsageErrors() {
        Path out = folder.resolve("refused");
        assertThat(compare(out, "--backends", "cudnn").err())
                .contains("--backends is 'cudnn', but it must be one of math, flash, efficient");
        assertThat(compare(out, "--compile", "maybe").err()).contains("--compile is 'maybe'");
        assertThat(compare(out, "--lengths", "0").err()).contains("--lengths is 0");
        assertThat(compare(out, "--executors", "3,5").err()).contains("5 executors would share 4 micro-batch(es)");
        assertThat(compare(out, "--set", "cluster.compression=bf16").err())
                .contains("cluster.compression is bf16, but");
        assertThat(compare(folder).err()).contains("exists already");
        assertThat(compare(out, "--steps", "0").code()).isEqualTo(2);
        assertThat(out).doesNotExist();
    }
}
