package dev.kindling.train;

import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.Progress;
import dev.kindling.coordinate.TopicHandlers;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.monitor.SparkMonitor;
import dev.kindling.report.MetricsLog;
import dev.kindling.report.RankCount;
import dev.kindling.report.RankTimes;
import dev.kindling.report.StartClock;
import dev.kindling.report.StepMetrics;
import dev.kindling.report.Stragglers;
import dev.kindling.report.TensorBoard;
import dev.kindling.report.TrainProgress;
import dev.kindling.report.TrainingWatcher;
import dev.kindling.run.NewestCheckpoint;
import dev.kindling.run.RunDirectory;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's side of a training run: puts the ranks' reports of a step together, writes them to metrics.jsonl,
 * TensorBoard, the console and Spark's monitoring, and commits checkpoints. Called by one thread at a time.
 */
public final class TrainingRecord implements Progress, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(TrainingRecord.class);
    private static final Duration LINE_PERIOD = Duration.ofSeconds(5);
    /** Steps between two looks for a rank that is slow all the time. */
    private static final int STRAGGLER_STEPS = 100;

    private final TrainConfig config;
    private final RunDirectory run;
    private final NewestCheckpoint checkpoints;
    private final SparkMonitor monitor;
    private final TrainingWatcher watcher;
    private final TreeMap<Long, Pending> pending = new TreeMap<>();
    private final MetricsLog metrics;
    private final TensorBoard tensorBoard;
    private TrainProgress progress;
    private final TreeMap<Integer, String> places = new TreeMap<>();
    private int generation;
    private boolean memoryTold;
    private boolean stepping; // whether the running generation has got to a step

    private final RankCount rankCount;
    private Stragglers stragglers = new Stragglers(List.of());
    private boolean stragglerNamed;
    private StepMetrics last;
    private long finishedStepsLost;
    private long tokens;
    private double trainingMillis;

    /** @param watcher is told of every step */
    public TrainingRecord(TrainConfig config, RunDirectory run, JavaSparkContext spark, TrainingWatcher watcher) {
        this.watcher = watcher;
        this.config = config;
        this.run = run;
        this.rankCount =
                new RankCount(config.cluster().executors(), config.cluster().minExecutors());
        this.checkpoints = run.newest(config.checkpoint().keep());
        this.metrics = run.metrics();
        this.tensorBoard = run.tensorBoard();
        this.monitor = new SparkMonitor(spark, run.toString(), config.train().maxSteps(), MonitorFacts.of(config));
    }

    /** The reports of a step that has not been reported by every rank yet. */
    private static final class Pending {
        private final StepReport[] reports;
        private int count;

        Pending(int worldSize) {
            reports = new StepReport[worldSize];
        }
    }

    /** What this record does with the ranks' messages. */
    public TopicHandlers handlers() {
        return new TopicHandlers()
                .on(RankReport.TOPIC, this::rankBegins)
                .on(RankReport.Notice.TOPIC, (from, rank, notice) -> LOG.warn("{}: {}", notice.where(), notice.text()))
                .on(StepReport.TOPIC, this::stepDone)
                .on(StepReport.Finished.TOPIC, this::stepsFinished)
                .on(CommitRequest.TOPIC, this::commit);
    }

    private void rankBegins(Generation from, int rank, RankReport report) {
        places.put(rank, report.where());
        watcher.began(rank, report.phases());
        LOG.info("{} begins from {}; seconds: {}", report.where(), report.restored(), StartClock.list(report.phases()));
        if (!report.memory().isEmpty() && !memoryTold) { // before the first step, of the first generation
            System.out.print(report.memory());
            if (from.worldSize() > 1) {
                System.out.println("allreduce by " + report.transport());
            }
            memoryTold = true;
        }
    }

    private void stepDone(Generation from, int rank, StepReport report) {
        begin(from, from.startStep());
        stepping = true;
        add(from, rank, report);
    }

    /** What the ranks of an earlier generation have finished, as one of them knows it. */
    private void stepsFinished(Generation from, int rank, StepReport.Finished finished) throws IOException {
        // Of a run whose driver was lost, ranks may know of steps that it has not written.
        boolean first = generation == 0;
        long recorded = first ? Math.min(run.metricsStep(), from.startStep()) : lastStep();
        begin(from, first ? recorded : from.startStep());
        for (StepReport step : finished.steps()) {
            if (step.step() > recorded && step.step() <= from.startStep()) {
                StepReport[] ranks = new StepReport[from.worldSize()];
                Arrays.fill(ranks, step.withoutTimes());
                ranks[rank] = step;
                record(List.of(ranks));
            }
        }
    }

    private long lastStep() {
        return last == null ? 0 : last.step();
    }

    private void commit(Generation from, int rank, CommitRequest request) throws IOException {
        flush(); // a run that goes on from this checkpoint has its steps
        Path committed = checkpoints.commit(new Path(request.staged()), request.step());
        monitor.checkpointCommitted(request.step(), committed.toString());
    }

    /**
     * A new generation starts: what an earlier one has reported beyond its first step is forgotten.
     *
     * @param recorded the last step that stays in the files
     */
    private void begin(Generation from, long recorded) {
        if (from.number() == generation) {
            return;
        }
        pending.clear();
        stragglers =
                new Stragglers(places.values().stream().limit(from.worldSize()).toList());
        stragglerNamed = false;
        rankCount.goesOn(from.worldSize(), from.startStep());
        closeProgress();
        if (generation == 0 || lastStep() > from.startStep()) {
            flush();
            metrics.restart(recorded);
            tensorBoard.restart(recorded);
        }
        generation = from.number();
        progress = new TrainProgress(
                from.startStep(), config.train().maxSteps(), TrainProgress.onTerminal(), System.out, LINE_PERIOD);
    }

    private void add(Generation from, int rank, StepReport report) {
        Pending step = pending.computeIfAbsent(report.step(), number -> new Pending(from.worldSize()));
        step.reports[rank] = report;
        step.count++;
        if (step.count == from.worldSize()) {
            pending.remove(report.step());
            record(List.of(step.reports));
            stragglers.add(last);
            if (!stragglerNamed && stragglers.steps() % STRAGGLER_STEPS == STRAGGLER_STEPS - 1) {
                stragglers.slowest().ifPresent(this::nameStraggler);
            }
        }
    }

    private void record(List<StepReport> ranks) {
        StepReport any = ranks.get(0);
        long stepTokens = any.batchTokens();
        double millis = ranks.stream().mapToDouble(StepReport::stepMillis).max().getAsDouble();
        tokens += stepTokens;
        trainingMillis += millis;
        last = new StepMetrics(
                any.step(),
                any.loss(),
                any.learningRate(),
                any.gradientNorm(),
                stepTokens / millis * 1000,
                ranks.stream()
                        .map(rank -> rank.tokens() == 0 ? 0 : rank.tokens() / rank.stepMillis() * 1000)
                        .toList(),
                millis,
                any.valLoss() == null ? OptionalDouble.empty() : OptionalDouble.of(any.valLoss()),
                ranks.stream()
                        .map(rank -> new RankTimes(rank.dataMillis(), rank.computeMillis(), rank.exchangeMillis()))
                        .toList());
        metrics.append(last);
        tensorBoard.append(last);
        if (last.step() <= checkpoints.step()) { // reported by the last rank after its commit
            flush();
        }
        progress.update(last);
        monitor.stepDone(last);
        watcher.step(last);
    }

    private void nameStraggler(String slowest) {
        stragglerNamed = true;
        System.err.println("kindling: " + slowest);
    }

    /** Where the time of the last generation's ranks went. */
    public Stragglers stragglers() {
        return stragglers;
    }

    /** The last step's metrics; null if no step was completed. */
    public StepMetrics last() {
        return last;
    }

    /** Training tokens a second over all completed steps, evaluation and checkpoints not counted; empty without one. */
    public OptionalDouble tokensPerSecond() {
        return tokens == 0 ? OptionalDouble.empty() : OptionalDouble.of(tokens / trainingMillis * 1000);
    }

    @Override
    public void started(Generation next) {
        stepping = false;
        monitor.generationStarted(next);
    }

    @Override
    public void goesOn(Generation next, String how, long lostSteps) {
        finishedStepsLost += lostSteps;
        System.err.println("kindling: " + how);
    }

    /** Steps that were finished and had to be computed again. */
    public long finishedStepsLost() {
        return finishedStepsLost;
    }

    @Override
    public void failed(Generation ended, FirstCause cause) {
        monitor.generationFailed(ended, cause);
    }

    @Override
    public void delayed(String what) {
        LOG.warn("{}", what);
        System.err.println("kindling: " + what + "; training goes on when that is done, or ends with an error");
    }

    /** Looks at the checkpoints again after a generation without a step: else its ranks hold what the next one begins with. */
    @Override
    public long committedStep() {
        return stepping ? checkpoints.stepWithRescued() : checkpoints.verified();
    }

    private void flush() {
        metrics.flush();
        tensorBoard.flush();
    }

    private void closeProgress() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }

    /** Where to watch the run; empty without a Spark UI. */
    public Optional<String> url() {
        return monitor.url();
    }

    /** All steps are done. */
    public void finished() {
        monitor.finished();
    }

    @Override
    public void close() {
        monitor.close();
        closeProgress();
        metrics.close();
        tensorBoard.close();
    }
}
