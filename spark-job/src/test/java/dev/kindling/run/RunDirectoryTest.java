package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.storage.RemoteDisk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RunDirectoryTest {
    private static final Configuration HADOOP = new Configuration(false);
    private static final TrainConfig CONFIG = TrainConfig.defaults();

    static {
        HADOOP.set("fs.remote.impl", RemoteDisk.class.getName());
    }

    @TempDir
    Path folder;

    private RunDirectory run(String scheme) throws IOException {
        return RunDirectory.at(scheme + folder.resolve("run"), HADOOP);
    }

    private Path file(String name) {
        return folder.resolve("run").resolve(name);
    }

    private void leaveARun(RunDirectory run) throws IOException {
        try (OwnedRun owned = run.own(CONFIG, false)) {
            owned.keep();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void aNewRunThatHasNoStepToShowLeavesNothing(String scheme) throws IOException {
        try (OwnedRun owned = run(scheme).own(CONFIG, false)) {
            assertThat(file("config.yaml")).exists();
            assertThat(file(".owner"))
                    .content()
                    .contains("\"process\":" + ProcessHandle.current().pid());
        }
        assertThat(folder).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void aRunWithAStepStaysWithoutItsMarker(String scheme) throws IOException {
        leaveARun(run(scheme));
        assertThat(file("config.yaml")).content().isEqualTo(CONFIG.toYaml());
        assertThat(file(".owner")).doesNotExist();
        assertThatThrownBy(() -> run(scheme).own(CONFIG, false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("exists already", "--resume");
    }

    @Test
    void whatIsNoRunCannotBeResumed() throws IOException {
        Files.createDirectory(folder.resolve("run"));
        Files.writeString(file("notes.txt"), "mine");
        assertThatThrownBy(() -> run("file:").require(false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("exists already; it is no run (no config.yaml), so choose another --out");
        assertThat(file("notes.txt")).hasContent("mine");
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void aResumeWithoutAStepLeavesTheConfigurationAsItWas(String scheme) throws IOException {
        leaveARun(run(scheme));
        TrainConfig other = CONFIG.with(Overrides.set("train.max_steps=7"));
        run(scheme).own(other, true).close();
        assertThat(run(scheme).config(ConfigOverrides.NONE)).isEqualTo(CONFIG);
        try (OwnedRun owned = run(scheme).own(other, true)) {
            owned.keep();
        }
        assertThat(run(scheme).config(ConfigOverrides.NONE)).isEqualTo(other);
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void aSecondTrainingIsToldWhoHasTheRunAndChangesNothing(String scheme) throws IOException {
        leaveARun(run(scheme));
        try (OwnedRun first = run(scheme).own(CONFIG, true)) {
            assertThatThrownBy(() -> run(scheme).own(CONFIG.with(Overrides.set("train.max_steps=7")), true))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll(
                            "another training is writing to",
                            "process " + ProcessHandle.current().pid(),
                            System.getProperty("user.name"),
                            "wait for its end");
            first.keep();
        }
        assertThat(run(scheme).config(ConfigOverrides.NONE)).isEqualTo(CONFIG);
    }

    @Test
    void aKilledTrainingsMarkerIsTakenOverWhereTheLockSaysThatItIsGone() throws IOException {
        leaveARun(run("file:"));
        Files.writeString(file(".owner"), "{\"id\":\"1\",\"user\":\"anna\",\"host\":\"node7\",\"process\":4711}");
        leaveResumed("file:");
        assertThat(file(".owner")).doesNotExist();
    }

    @Test
    void elsewhereAKilledTrainingsMarkerNamesItsOwnerAndHowToTakeOver() throws IOException {
        leaveARun(run("remote:"));
        String marker =
                "{\"id\":\"1\",\"user\":\"anna\",\"host\":\"node7\",\"process\":4711,\"since\":\"2026-11-29T19:45:07Z\"}";
        Files.writeString(file(".owner"), marker);
        assertThatThrownBy(() -> run("remote:").own(CONFIG, true))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll(
                        "process 4711 of anna on node7 since 2026-11-29T19:45:07Z",
                        "if that process is gone, delete remote:",
                        "run/.owner");
        assertThat(file(".owner")).content().isEqualTo(marker);
        Files.delete(file(".owner"));
        leaveResumed("remote:");
    }

    private void leaveResumed(String scheme) throws IOException {
        try (OwnedRun owned = run(scheme).own(CONFIG, true)) {
            owned.keep();
        }
        assertThat(file("config.yaml")).exists();
    }

    @Test
    void nothingIsDeletedThatHasAnotherOwnerByNow() throws IOException {
        try (OwnedRun owned = run("remote:").own(CONFIG, false)) {
            Files.writeString(file(".owner"), "{\"id\":\"another\"}");
        }
        assertThat(file("config.yaml")).exists();
        assertThat(file(".owner")).exists();
    }

    @Test
    void whereThereIsNoRunThereIsNothingToResume() throws IOException {
        assertThatThrownBy(() -> run("file:").own(CONFIG, true)).hasMessageContaining("there is no run at");
        Files.createDirectories(file("checkpoints"));
        Files.writeString(file("metrics.jsonl"), "{\"step\":1}\n");
        assertThatThrownBy(() -> run("file:").own(CONFIG, true))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("no config.yaml");
        assertThat(file("metrics.jsonl")).content().isEqualTo("{\"step\":1}\n");
    }

    @Test
    void ofManyAtOnceOneBeginsAndTheOthersChangeNothing() throws Exception {
        for (int round = 0; round < 20; round++) {
            String location = folder.resolve("run" + round).toString();
            List<OwnedRun> owners = atOnce(() -> {
                try {
                    return RunDirectory.at(location, HADOOP).own(CONFIG, false);
                } catch (ConfigException e) {
                    assertThat(e).hasMessageContaining("exists already");
                    return null;
                }
            });
            assertThat(owners).hasSize(1);
            assertThat(Path.of(location, "config.yaml")).exists();
            owners.get(0).close();
        }
    }

    @Test
    void ofManyResultsAtOnceOneAppearsAndTheOthersLeaveNothing() throws Exception {
        for (int round = 0; round < 20; round++) {
            String location = folder.resolve("results" + round).toString();
            List<String> appeared = atOnce(() -> {
                String content = Thread.currentThread().getName();
                try (StagedDirectory results = StagedDirectory.at(location, HADOOP)) {
                    results.write("summary.json", content);
                    results.publish();
                    return content;
                } catch (ConfigException e) {
                    assertThat(e).hasMessageContaining("choose another --out");
                    return null;
                }
            });
            assertThat(appeared).hasSize(1);
            assertThat(Path.of(location, "summary.json")).content().isEqualTo(appeared.get(0));
            assertThat(Path.of(location)).isDirectoryContaining("glob:**/summary.json");
        }
        try (var left = Files.list(folder)) {
            assertThat(left.filter(path -> path.getFileName().toString().startsWith(".")))
                    .isEmpty();
        }
    }

    /** At once, not after the work; root, too, cannot write to /proc. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aPlaceWhereNothingCanBeMadeIsRefusedAtOnce() {
        assertThatThrownBy(() -> StagedDirectory.at("/proc/a/results", HADOOP))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("cannot write to file:/proc (", "choose another --out");
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void resultsThatAppearMeanwhileStay(String scheme) throws IOException {
        Path out = folder.resolve("results");
        try (StagedDirectory results = StagedDirectory.at(scheme + out, HADOOP)) {
            results.write("summary.json", "mine");
            Files.createDirectory(out);
            Files.writeString(out.resolve("summary.json"), "another's");
            assertThatThrownBy(results::publish)
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("has appeared while", "choose another --out");
        }
        assertThat(out.resolve("summary.json")).content().isEqualTo("another's");
        try (var files = Files.walk(folder)) {
            assertThat(files).containsExactlyInAnyOrder(folder, out, out.resolve("summary.json"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void whatAKilledJobHasLeftIsSweptAndWhatIsBeingMadeIsNot(String scheme) throws Exception {
        String location = scheme + folder.resolve("results");
        Process killed = new ProcessBuilder("true").start();
        killed.waitFor();
        String host = StagingName.fresh("x").replaceFirst(".*@(.*)\\..*", "$1");
        Path left = folder.resolve(".results." + killed.pid() + "-7@" + host + ".00000000-0000-0000-0000-000000000000");
        Path elsewhere = folder.resolve(".results.1-7@node7.00000000-0000-0000-0000-000000000000");
        Files.createDirectories(left.resolve("documents"));
        Files.createDirectories(elsewhere);
        try (StagedDirectory first = StagedDirectory.at(location, HADOOP)) {
            first.write("summary.json", "first");
            try (StagedDirectory second = StagedDirectory.at(location, HADOOP)) {
                assertThat(left).doesNotExist();
                second.write("summary.json", "second");
                second.publish();
            }
            assertThat(Path.of(first.path("summary.json").toUri().getPath())).hasContent("first");
        }
        assertThat(folder.resolve("results/summary.json")).hasContent("second");
        assertThat(elsewhere).exists();
    }

    /** What four threads got that were not refused. */
    private static <T> List<T> atOnce(Callable<T> work) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        CountDownLatch start = new CountDownLatch(1);
        List<Future<T>> futures = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            futures.add(threads.submit(() -> {
                start.await();
                return work.call();
            }));
        }
        start.countDown();
        List<T> results = new ArrayList<>();
        try {
            for (Future<T> future : futures) {
                T result = future.get();
                if (result != null) {
                    results.add(result);
                }
            }
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        } finally {
            threads.shutdown();
        }
        return results;
    }
}
