package dev.kindling.bench;

import dev.kindling.bench.ChaosTraining.Step;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * The chaos table: what a fault costs a training on real executor processes of this host, by kind of fault. Each kind has one
 * training, started by {@code ./submit.sh train}, that meets its faults one after another, each once training has gone on for
 * some hundred steps; its weights are compared with those of an undisturbed one. Prints a Markdown table, a row a kind as
 * soon as that is done.
 *
 * <p>Run it in a folder with submit.sh, conf and spark-job/target/kindling.jar, with Spark's jars on the class path, quietly:
 * {@code java -cp tests.jar:kindling.jar:SPARK_JARS/* dev.kindling.bench.ChaosBench --runs 20}. Options: {@code --runs N},
 * {@code --kinds kill,spare,freeze,driver,exception,socket}, {@code --steps N} between two faults, {@code --seed N}; all others
 * are those of {@code train}, such as {@code --device cuda --executors 2 --allreduce ring}.
 */
public final class ChaosBench {
    /** What may go wrong. */
    enum Kind {
        /** {@code kill -9} of an executor. */
        KILL,
        /** The same with {@code cluster.spares: 1}, once a spare is ready; wants {@code --steps} enough for one to become it. */
        SPARE,
        /** SIGSTOP of an executor. */
        FREEZE,
        /** {@code kill -9} of the driver, then {@code train --resume} at once. */
        DRIVER,
        /** A rank throws. */
        EXCEPTION,
        /** A connection between two ranks closes. */
        SOCKET
    }

    /** What one fault has cost: steps that were finished and had to be done again, and milliseconds. */
    private record Cost(long lostSteps, OptionalLong named, long firstNewStep) {}

    private static final long PERIOD_MILLIS = 30_000;
    private static final long PATIENCE_MILLIS = 120_000;
    private static final long POLL_MILLIS = 20;
    private static final long ARCHIVE_MILLIS = 60_000;
    private static final List<String> TINY = List.of(
            "model.n_layer=1",
            "model.n_head=2",
            "model.n_embd=32",
            "model.block_size=16",
            "train.global_batch=8",
            "train.micro_batch=2",
            "train.eval_interval=1000000",
            "train.eval_batches=4");

    private final List<String> trainOptions = new ArrayList<>();
    private List<Kind> kinds = List.of(Kind.values());
    private int runs = 20;
    private int spacing = 200;
    private Random random = new Random(16);
    private final Path folder = Files.createTempDirectory("kindling-chaos");
    private final Path submit = installed(folder.resolve("app"));

    private ChaosBench(String[] arguments) throws IOException {
        for (int i = 0; i < arguments.length; i += 2) {
            String value = arguments[i + 1];
            switch (arguments[i]) {
                case "--runs" -> runs = Integer.parseInt(value);
                case "--kinds" ->
                    kinds = Arrays.stream(value.split(","))
                            .map(kind -> Kind.valueOf(kind.toUpperCase(Locale.ROOT)))
                            .toList();
                case "--steps" -> spacing = Integer.parseInt(value);
                case "--seed" -> random = new Random(Long.parseLong(value));
                default -> trainOptions.addAll(List.of(arguments[i], value));
            }
        }
    }

    /** Runs the benchmark. */
    public static void main(String[] arguments) throws Exception {
        ChaosBench bench = new ChaosBench(arguments);
        System.out.println("files in " + bench.folder);
        byte[] undisturbed;
        try (ChaosTraining calm = bench.training("undisturbed", List.of())) {
            calm.start(false);
            calm.awaitEnd();
            undisturbed = calm.weights(bench.lastStep());
        }
        bench.awaitArchive();
        System.out.println(
                "| fault | runs | finished steps lost, median and worst | cause named after, ms | first new step after,"
                        + " ms | goodput at a fault every 30 s | weights identical |");
        System.out.println("|---|---|---|---|---|---|---|");
        for (Kind kind : bench.kinds) {
            System.out.println(bench.row(kind, undisturbed));
        }
    }

    /** Waits for what {@code submit.sh} makes of the first training, so that all others start as they do for users. */
    private void awaitArchive() throws Exception {
        Path target = submit.resolveSibling("spark-job/target");
        long end = System.currentTimeMillis() + ARCHIVE_MILLIS;
        while (System.currentTimeMillis() < end) {
            try (Stream<Path> archives = Files.list(target)) {
                if (archives.anyMatch(file -> file.toString().endsWith(".jsa"))) {
                    return;
                }
            }
            Thread.sleep(POLL_MILLIS);
        }
        System.out.println("there is no archive of classes; see " + target);
    }

    private int lastStep() {
        return (runs + 1) * spacing;
    }

    private ChaosTraining training(String name, List<String> more) throws IOException {
        List<String> settings = new ArrayList<>(TINY);
        settings.addAll(more);
        settings.addAll(List.of(
                "train.max_steps=" + lastStep(),
                "train.lr_decay_steps=" + lastStep(),
                "checkpoint.interval=100",
                "checkpoint.keep=2"));
        List<String> options = new ArrayList<>(List.of("--config", "shakespeare-char-cpu"));
        if (!trainOptions.contains("--device")) {
            options.addAll(List.of("--device", "cpu"));
        }
        options.addAll(trainOptions);
        return new ChaosTraining(submit, folder.resolve(name), options, settings);
    }

    /** A copy of the current folder's application whose executors write down their steps; its submit.sh. */
    private static Path installed(Path app) throws IOException {
        Path built = Path.of("spark-job/target");
        Path target = Files.createDirectories(app.resolve(built));
        ChaosJar.write(built.resolve("kindling.jar"), target.resolve("kindling.jar"));
        for (Path shared : List.of(Path.of("conf"), built.resolve("spark"))) {
            if (Files.exists(shared)) {
                Files.createSymbolicLink(app.resolve(shared), shared.toAbsolutePath());
            }
        }
        return Files.copy(Path.of("submit.sh"), app.resolve("submit.sh"), StandardCopyOption.COPY_ATTRIBUTES);
    }

    private String row(Kind kind, byte[] undisturbed) throws Exception {
        List<Cost> costs = new ArrayList<>();
        List<String> more = kind == Kind.SPARE ? List.of("cluster.spares=1") : List.of();
        try (ChaosTraining training = training(kind.name().toLowerCase(Locale.ROOT), more)) {
            training.start(false);
            for (int fault = 1; fault <= runs; fault++) {
                if (kind == Kind.SPARE) {
                    awaitSpare(training, fault);
                }
                costs.add(strike(training, kind, (long) fault * spacing + random.nextInt(spacing / 2)));
            }
            training.awaitEnd();
            boolean identical = Arrays.equals(training.weights(lastStep()), undisturbed);
            double lostMillis =
                    costs.stream().mapToLong(Cost::firstNewStep).average().orElse(0);
            return String.format(
                    Locale.ROOT,
                    "| %s | %d | %s | %s | %s | %.1f %% | %s |",
                    kind.name().toLowerCase(Locale.ROOT),
                    runs,
                    medianAndWorst(costs.stream().mapToLong(Cost::lostSteps)),
                    medianAndWorst(costs.stream().map(Cost::named).flatMapToLong(OptionalLong::stream)),
                    medianAndWorst(costs.stream().mapToLong(Cost::firstNewStep)),
                    100 * Math.max(0, 1 - lostMillis / PERIOD_MILLIS),
                    identical ? "yes" : "NO");
        }
    }

    private static String medianAndWorst(LongStream values) {
        long[] sorted = values.sorted().toArray();
        return sorted.length == 0 ? "-" : sorted[sorted.length / 2] + ", " + sorted[sorted.length - 1];
    }

    /** Strikes once that step is done: training has long gone on after the fault before. */
    private Cost strike(ChaosTraining training, Kind kind, long step) throws Exception {
        Step newest = awaitStep(training, step);
        Set<Long> ranks = pids(training.steps().stream()
                .filter(each -> each.generation() == newest.generation() && each.step() > newest.step() - spacing / 4));
        Set<Long> before = pids(training.steps().stream());
        long victim = List.copyOf(ranks).get(random.nextInt(ranks.size()));
        long struck = System.currentTimeMillis();
        switch (kind) {
            case KILL, SPARE -> signal("KILL", victim);
            case FREEZE -> signal("STOP", victim);
            case EXCEPTION -> training.ask(victim, "exception");
            case SOCKET -> training.ask(victim, "socket");
            case DRIVER -> {
                training.killDriver();
                training.start(true);
            }
        }
        Predicate<Step> old = kind == Kind.DRIVER
                ? each -> before.contains(each.pid())
                : each -> each.generation() <= newest.generation();
        Cost cost = awaitCost(training, old, kind == Kind.DRIVER ? -1 : victim, struck);
        if (kind == Kind.FREEZE) {
            signal("KILL", victim); // long replaced
        }
        return cost;
    }

    /** Waits until a spare is ready in the generation after so many faults less one. */
    private void awaitSpare(ChaosTraining training, int fault) throws Exception {
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (training.sparesReady() < fault) {
            if (System.currentTimeMillis() > end || !training.isRunning()) {
                throw new IllegalStateException("no spare is ready; give it more --steps, or see " + folder);
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    private static Set<Long> pids(Stream<Step> steps) {
        return steps.map(Step::pid).collect(Collectors.toCollection(TreeSet::new));
    }

    private Step awaitStep(ChaosTraining training, long step) throws Exception {
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (System.currentTimeMillis() < end && training.isRunning()) {
            Optional<Step> newest = training.steps().stream()
                    .filter(each -> each.step() >= step)
                    .findFirst();
            if (newest.isPresent()) {
                return newest.get();
            }
            Thread.sleep(POLL_MILLIS);
        }
        throw new IllegalStateException("the training does not reach step " + step + "; see " + folder);
    }

    /**
     * Waits for the first step that nobody had done before the fault.
     *
     * @param old whether a step is of the ranks before the fault
     * @param victim what it alone has finished, a survivor cannot have
     */
    private Cost awaitCost(ChaosTraining training, Predicate<Step> old, long victim, long struck) throws Exception {
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (System.currentTimeMillis() < end && training.isRunning()) {
            List<Step> steps = training.steps();
            long finished = steps.stream()
                    .filter(old)
                    .filter(each -> each.pid() != victim)
                    .mapToLong(Step::step)
                    .max()
                    .orElse(0);
            List<Step> after = steps.stream()
                    .filter(old.negate().and(each -> each.millis() >= struck))
                    .toList();
            OptionalLong firstNew = after.stream()
                    .filter(each -> each.step() > finished)
                    .mapToLong(Step::millis)
                    .min();
            if (firstNew.isPresent()) {
                long begun = after.stream().mapToLong(Step::step).min().orElseThrow();
                OptionalLong named = training.namedBetween(struck, firstNew.getAsLong());
                // The ranks say once more that they have done the step that they begin with, where there is one.
                long start = begun == 1 ? 0 : begun;
                return new Cost(
                        Math.max(0, finished - start),
                        named.isPresent() ? OptionalLong.of(named.getAsLong() - struck) : named,
                        firstNew.getAsLong() - struck);
            }
            Thread.sleep(POLL_MILLIS);
        }
        throw new IllegalStateException("no new step within " + PATIENCE_MILLIS + " ms; see " + folder);
    }

    private static void signal(String name, long pid) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, Long.toString(pid)).start().waitFor();
    }
}
