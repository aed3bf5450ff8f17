package dev.kindling.job;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.coordinate.Generation;
import dev.kindling.coordinate.RequestHandler;
import dev.kindling.report.MetricsLog;
import dev.kindling.report.StepMetrics;
import dev.kindling.report.TensorBoard;
import dev.kindling.report.TrainProgress;
import dev.kindling.storage.Storage;
import dev.kindling.train.CommitRequest;
import dev.kindling.train.StepReport;
import dev.kindling.train.TrainConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;

/**
 * The driver's side of a training run: puts the ranks' reports of a step together, writes them to metrics.jsonl,
 * TensorBoard and the console, and commits checkpoints. Called by one thread at a time.
 */
final class TrainingRecord implements RequestHandler, AutoCloseable {
    private static final Duration LINE_PERIOD = Duration.ofSeconds(5);

    private final TrainConfig config;
    private final Storage storage;
    private final Path run;
    private final CheckpointStore store;
    private final TreeMap<Long, Pending> pending = new TreeMap<>();
    private MetricsLog metrics;
    private TensorBoard tensorBoard;
    private TrainProgress progress;
    private int generation;
    private StepMetrics last;
    private long tokens;
    private double trainingMillis;

    TrainingRecord(TrainConfig config, Storage storage, Path run, CheckpointStore store) {
        this.config = config;
        this.storage = storage;
        this.run = run;
        this.store = store;
    }

    /** The reports of a step that has not been reported by every rank yet. */
    private static final class Pending {
        private int reports;
        private double lossSum;
        private double millis;
        private StepReport latest;
        private OptionalDouble valLoss = OptionalDouble.empty();
    }

    @Override
    public byte[] handle(Generation from, int rank, String topic, byte[] payload) throws IOException {
        if (topic.equals(StepReport.TOPIC)) {
            begin(from);
            add(from, StepReport.decode(payload));
            return new byte[0];
        }
        if (topic.equals(CommitRequest.TOPIC)) {
            CommitRequest request = CommitRequest.decode(payload);
            Path committed = store.commit(new Path(request.staged()), request.step());
            return committed.toString().getBytes(StandardCharsets.UTF_8);
        }
        throw new IllegalArgumentException("no request is called " + topic);
    }

    /** A new generation starts from its checkpoint: what an earlier one reported beyond that is forgotten. */
    private void begin(Generation from) throws IOException {
        if (from.number() == generation) {
            return;
        }
        generation = from.number();
        pending.clear();
        if (from.worldSize() < config.cluster().executors()) {
            System.err.printf(
                    "kindling: going on with %d of %d executors from step %d, as cluster.min_executors is %d%n",
                    from.worldSize(),
                    config.cluster().executors(),
                    from.startStep(),
                    config.cluster().minExecutors());
        }
        closeFiles();
        metrics = MetricsLog.resume(storage, new Path(run, "metrics.jsonl"), from.startStep());
        tensorBoard = new TensorBoard(storage, run, Clock.systemUTC());
        progress = new TrainProgress(
                from.startStep(), config.train().maxSteps(), TrainProgress.onTerminal(), System.out, LINE_PERIOD);
    }

    private void add(Generation from, StepReport report) throws IOException {
        Pending step = pending.computeIfAbsent(report.step(), number -> new Pending());
        step.reports++;
        step.lossSum += report.lossSum();
        step.millis = Math.max(step.millis, report.stepMillis());
        step.latest = report;
        if (report.valLoss() != null) {
            step.valLoss = OptionalDouble.of(report.valLoss());
        }
        if (step.reports == from.worldSize()) {
            pending.remove(report.step());
            complete(step);
        }
    }

    private void complete(Pending step) throws IOException {
        long rows = (long) config.train().globalBatch() * config.model().blockSize();
        tokens += rows;
        trainingMillis += step.millis;
        last = new StepMetrics(
                step.latest.step(),
                step.lossSum / rows,
                step.latest.learningRate(),
                step.latest.gradientNorm(),
                rows / step.millis * 1000,
                step.millis,
                step.valLoss);
        metrics.append(last);
        tensorBoard.append(last);
        progress.update(last);
    }

    /** The last step's metrics; null if no step was completed. */
    StepMetrics last() {
        return last;
    }

    /** Training tokens a second over all completed steps, evaluation and checkpoints not counted. */
    double tokensPerSecond() {
        return tokens == 0 ? 0 : tokens / trainingMillis * 1000;
    }

    /** The step of the newest committed checkpoint that is whole; 0 if there is none. */
    long committedStep() {
        try {
            CheckpointStore.Recovery recovery = store.latestValid();
            recovery.skipped().forEach(line -> System.err.println("kindling: " + line));
            return recovery.found().map(checkpoint -> checkpoint.state().step()).orElse(0L);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot look for checkpoints in " + run + "; check that it can be read", e);
        }
    }

    private void closeFiles() throws IOException {
        if (metrics != null) {
            progress.close();
            metrics.close();
            tensorBoard.close();
        }
    }

    @Override
    public void close() throws IOException {
        closeFiles();
    }
}
