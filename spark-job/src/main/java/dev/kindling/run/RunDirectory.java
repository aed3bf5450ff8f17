package dev.kindling.run;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.report.MetricsLog;
import dev.kindling.report.TensorBoard;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.time.Clock;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * The directory of a training run, on any Hadoop file system: {@code config.yaml} (without it there is no run), {@code
 * data/} (the shards, if the corpus had not been prepared), {@code metrics.jsonl}, TensorBoard's event files, {@code
 * checkpoints/}, {@code summary.json}; on a local disk also {@code kindling.log} and {@code .lock}. The training that
 * writes to it {@linkplain #own owns} it, by {@code .owner}.
 */
public final class RunDirectory {
    private final Path path;
    private final Storage storage;
    private final Configuration hadoop;

    private RunDirectory(Path path, Storage storage, Configuration hadoop) {
        this.path = path;
        this.storage = storage;
        this.hadoop = hadoop;
    }

    /** The run directory at a location as the user wrote it, see {@link RunPath}; it need not exist. */
    public static RunDirectory at(String location, Configuration hadoop) throws IOException {
        Path path = RunPath.absolute(location, hadoop);
        return new RunDirectory(path, Storage.of(path, hadoop), hadoop);
    }

    public Path path() {
        return path;
    }

    Storage storage() {
        return storage;
    }

    /**
     * Whether a training that begins now goes on with the run that is here. Sweeps up what an earlier attempt of the same
     * submission has left, if it had not come so far as to begin a run.
     */
    public boolean resumes(Resume asked) throws IOException {
        boolean begun = storage.files().exists(configFile());
        boolean ours = OwnedRun.isOfThisSubmission(this);
        if (ours && !begun) {
            storage.files().delete(path, true);
        }
        return switch (asked) {
            case YES -> true;
            case AUTO -> begun;
            case NO -> begun && ours;
        };
    }

    /**
     * Fails now if {@link #own} would fail later.
     *
     * @throws ConfigException if a new run would begin where something exists, or there is no run to resume
     */
    public void require(boolean resume) throws IOException {
        if (!resume && storage.files().exists(path)) {
            throw occupied();
        }
        if (resume && !storage.files().exists(configFile())) {
            throw new ConfigException(
                    "there is no run at %s to resume (no config.yaml); check --out, or leave out --resume", path);
        }
    }

    /**
     * What a training in this directory starts from.
     *
     * @param config as the user asks for it
     * @throws ConfigException if that cannot be: another model or, in a resumed run, another training
     */
    public StartingPoint start(TrainConfig config, boolean resume) throws IOException {
        return resume ? StartingPoint.ofResumed(this, config, hadoop) : StartingPoint.ofNew(config, hadoop);
    }

    ConfigException occupied() throws IOException {
        String what = storage.files().exists(configFile())
                ? "add --resume to go on with that run, or choose another --out"
                : "it is no run (no config.yaml), so choose another --out";
        return new ConfigException("%s exists already; %s", path, what);
    }

    /**
     * Makes this process the owner of the run directory, until the result is closed. For a new run, creates the
     * directory with {@code config.yaml} in it.
     *
     * @param config as resolved
     * @throws ConfigException as {@link #require}, or if another training owns the directory or it cannot be
     *     written
     */
    public OwnedRun own(TrainConfig config, boolean resume) throws IOException {
        return OwnedRun.take(this, config, resume);
    }

    /**
     * Whether no other training has owned this directory since the one that {@link OwnedRun#training} names, for ranks whose
     * driver is gone.
     */
    public boolean isOwnedBy(String training) throws IOException {
        return OwnedRun.isOwnedBy(this, training);
    }

    private Path configFile() {
        return new Path(path, "config.yaml");
    }

    /** The run's configuration as recorded, with overrides. */
    public TrainConfig config(ConfigOverrides overrides) throws IOException {
        return TrainConfig.parse(storage.read(configFile()), configFile().toString(), overrides);
    }

    void write(TrainConfig config) throws IOException {
        storage.write(configFile(), config.toYaml());
    }

    /** The folder of the run's own shards, for a corpus that had not been prepared. */
    public Path shards() {
        return new Path(path, "data");
    }

    /**
     * The run's checkpoints.
     *
     * @param keep how many of the newest checkpoints are kept, 1 or more
     */
    public CheckpointStore checkpoints(int keep) {
        return new CheckpointStore(storage, new Path(path, "checkpoints"), keep);
    }

    /** Its newest checkpoint, on the driver of a training. */
    public NewestCheckpoint newest(int keep) {
        return new NewestCheckpoint(this, keep);
    }

    /** {@code metrics.jsonl}, to be written. */
    public MetricsLog metrics() {
        return new MetricsLog(storage, metricsFile());
    }

    /** The last step in {@code metrics.jsonl}; 0 if there is none. */
    public long metricsStep() throws IOException {
        return MetricsLog.lastStep(storage, metricsFile());
    }

    /** When {@code metrics.jsonl} was written to, in milliseconds since 1970 by the clock of its file system; 0 without it. */
    long metricsMillis() throws IOException {
        return storage.files().exists(metricsFile())
                ? storage.files().getFileStatus(metricsFile()).getModificationTime()
                : 0;
    }

    private Path metricsFile() {
        return new Path(path, "metrics.jsonl");
    }

    /** TensorBoard's event files, to be written. */
    public TensorBoard tensorBoard() {
        return new TensorBoard(storage, path, Clock.systemUTC());
    }

    /** Writes {@code summary.json}. */
    public void write(RunSummary summary) throws IOException {
        storage.write(summaryFile(), summary.toJson());
    }

    /** The number of steps in {@code summary.json}; 0 without one. */
    long summarizedSteps() throws IOException {
        return storage.files().exists(summaryFile()) ? RunSummary.steps(storage.read(summaryFile())) : 0;
    }

    private Path summaryFile() {
        return new Path(path, "summary.json");
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
