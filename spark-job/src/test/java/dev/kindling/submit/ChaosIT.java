package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Twenty random faults in one training on a standalone cluster of three workers: executors and workers are killed,
 * frozen and paused, each fault once training has gone on after the one before. The weights are those of an undisturbed
 * run on one executor, bit for bit. Takes minutes, and so runs in the profile {@code chaos} only.
 */
@Tag("chaos")
@Timeout(900)
class ChaosIT {
    private static final int FAULTS = 20;
    private static final long SEED = Long.getLong("kindling.chaos.seed", 20261125);
    private static final int STEPS = Integer.getInteger("kindling.chaos.steps", 9_000);
    private static final Duration RECOVERY = Duration.ofSeconds(60);
    private static final List<String> SETTINGS =
            List.of(Limits.SLOTS + "=20s", Limits.RENDEZVOUS + "=8s", Limits.STOP + "=2s", Limits.STEP + "=20s");

    private enum Fault {
        KILL_EXECUTOR,
        FREEZE_EXECUTOR,
        PAUSE_EXECUTOR,
        KILL_WORKER,
        PAUSE_WORKER
    }

    @TempDir
    private Path folder;

    private final Random random = new Random(SEED);
    private final List<Process> workers = new ArrayList<>();
    private final Set<Long> frozen = new HashSet<>();
    private StandaloneCluster cluster;

    @Test
    void twentyFaultsChangeNothing() throws Exception {
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        Path run = folder.resolve("run");
        try (StandaloneCluster started = new StandaloneCluster(folder)) {
            cluster = started;
            for (int i = 0; i < 3; i++) {
                addWorker();
            }
            Process driver = cluster.train("chaos", run, corpus, SETTINGS, settings(3));
            long step = 0;
            for (int i = 1; i <= FAULTS; i++) {
                step = awaitProgress(run, step, driver);
                TimeUnit.MILLISECONDS.sleep(random.nextInt(800));
                Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
                System.out.printf("seed %d, fault %d at step %d or later: %s%n", SEED, i, step, fault);
                commit(fault);
            }
            cluster.assertEndsWell("chaos", driver);
            System.out.println(Files.readString(cluster.err("chaos")));
            Path undisturbed = folder.resolve("undisturbed");
            cluster.assertEndsWell("calm", cluster.train("calm", undisturbed, corpus, List.of(), settings(1)));
            assertThat(CommandRuns.weights(run, STEPS)).isEqualTo(CommandRuns.weights(undisturbed, STEPS));
            assertThat(cluster.err("chaos")).content().doesNotContain("Connection refused");
        } finally {
            frozen.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
        }
    }

    private static String[] settings(int executors) {
        return Stream.of(
                        "train.reduction=tree",
                        "train.max_steps=" + STEPS,
                        "train.eval_interval=1000",
                        "checkpoint.interval=50",
                        "cluster.silence_seconds=4",
                        "cluster.executors=" + executors)
                .flatMap(setting -> Stream.of("--set", setting))
                .toArray(String[]::new);
    }

    private void addWorker() throws IOException {
        workers.add(cluster.startWorker("worker-" + (workers.size() + 1)));
    }

    /** Waits, bounded, for a checkpoint of a later step than {@code former}. */
    private long awaitProgress(Path run, long former, Process driver) throws Exception {
        long end = System.nanoTime() + RECOVERY.toNanos();
        long step = latest(run);
        while (step <= former) {
            assertThat(driver.isAlive())
                    .as(Files.readString(cluster.err("chaos")))
                    .isTrue();
            assertThat(System.nanoTime())
                    .as("no progress after step %d: %s", former, Files.readString(cluster.err("chaos")))
                    .isLessThan(end);
            Thread.sleep(50);
            step = latest(run);
        }
        return step;
    }

    private static long latest(Path run) throws IOException {
        Path checkpoints = run.resolve("checkpoints");
        if (!Files.exists(checkpoints)) {
            return 0;
        }
        try (Stream<Path> files = Files.list(checkpoints)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith("step-"))
                    .mapToLong(name -> Long.parseLong(name.substring("step-".length())))
                    .max()
                    .orElse(0);
        }
    }

    private void commit(Fault fault) throws Exception {
        List<ProcessHandle> executors = CommandRuns.executors().stream()
                .filter(process -> !frozen.contains(process.pid()))
                .toList();
        ProcessHandle executor = executors.get(random.nextInt(executors.size()));
        List<Process> living = workers.stream().filter(Process::isAlive).toList();
        Process worker = living.get(random.nextInt(living.size()));
        switch (fault) {
            case KILL_EXECUTOR -> executor.destroyForcibly();
            case FREEZE_EXECUTOR -> {
                frozen.add(executor.pid());
                signal("STOP", executor.pid());
            }
            case PAUSE_EXECUTOR -> pause(executor.pid());
            case KILL_WORKER -> {
                worker.destroyForcibly();
                addWorker();
            }
            case PAUSE_WORKER -> pause(worker.pid());
        }
    }

    private void pause(long pid) throws Exception {
        signal("STOP", pid);
        TimeUnit.MILLISECONDS.sleep(500 + random.nextInt(2500));
        signal("CONT", pid);
    }

    private static void signal(String name, long pid) throws Exception {
        new ProcessBuilder("kill", "-" + name, "" + pid).start().waitFor();
    }
}
