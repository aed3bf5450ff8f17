package dev.kindling.tracking;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.report.StepMetrics;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Reports a run to an MLflow server. Only {@link #finished} and {@link #close} block, for a bounded time. A server that is
 * down, slow or refuses costs one warning and is tried again now and then; it never fails the run. What it lacks at the end
 * is printed.
 */
public final class MlflowTracking implements AutoCloseable {
    private static final String CLIENT = "org.mlflow:mlflow-client:2.17.2";

    /**
     * How long things may take.
     *
     * @param call one call to the server
     * @param flush between two batches of metrics
     * @param retry after a failure, until the next attempt
     * @param end all that is left to send when the run has ended, its model's files not counted
     */
    record Bounds(Duration call, Duration flush, Duration retry, Duration end) {
        static final Bounds USUAL = new Bounds(
                Duration.ofSeconds(10), Duration.ofSeconds(5), Duration.ofSeconds(30), Duration.ofSeconds(30));
    }

    /** 5000 steps or more take a few megabytes. */
    private static final int MOST_VALUES = 100_000;

    private final TrackedRun run;
    private final Bounds bounds;
    private final PrintStream out;
    private final PrintStream err;
    private final Configuration hadoop;
    private final PendingMetrics pending = new PendingMetrics(MOST_VALUES);
    private final Thread thread = new Thread(this::work, "kindling-mlflow");
    private Path model; // written before the thread is signalled the end
    private String problem; // the last one; null while there has been none

    private MlflowTracking(TrackedRun run, Bounds bounds, PrintStream out, PrintStream err, Configuration hadoop) {
        this.run = run;
        this.bounds = bounds;
        this.out = out;
        this.err = err;
        this.hadoop = hadoop;
        thread.setDaemon(true);
    }

    /**
     * Fails where tracking cannot work at all.
     *
     * @throws ConfigException if MLflow's client is not on the class path
     */
    public static void require() {
        try {
            Class.forName("org.mlflow.tracking.MlflowClient");
        } catch (ClassNotFoundException e) {
            throw new ConfigException(
                    "--mlflow needs MLflow's client, which is not on the class path; add --conf spark.jars.packages="
                            + CLIENT + " (spark-submit: --packages " + CLIENT + ")",
                    e);
        }
    }

    /** Starts to report; does not wait for the server. */
    public static MlflowTracking begin(TrackedRun run, Configuration hadoop) {
        return begin(run, Bounds.USUAL, System.out, System.err, hadoop);
    }

    static MlflowTracking begin(TrackedRun run, Bounds bounds, PrintStream out, PrintStream err, Configuration hadoop) {
        MlflowTracking tracking = new MlflowTracking(run, bounds, out, err, hadoop);
        tracking.thread.start();
        return tracking;
    }

    /** A step is done. Does not wait. */
    public void step(StepMetrics step) {
        pending.add(MetricValue.of(step, System.currentTimeMillis()));
    }

    /**
     * The run has ended well.
     *
     * @param folder of its model, whose files become artifacts in a folder of that name
     */
    public void finished(Path folder) {
        model = folder;
        close();
    }

    /** Sends what is left; the run counts as failed unless it has {@link #finished}. */
    @Override
    public void close() {
        pending.end();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void work() {
        try (MlflowSession session = new MlflowSession(run, bounds.call())) {
            boolean reached = attempt(session::begin);
            while (!pending.ended()) {
                pending.await((reached ? bounds.flush() : bounds.retry()).toMillis(), reached);
                if (!pending.ended()) {
                    reached = attempt(() -> send(session, Long.MAX_VALUE));
                }
            }
            finish(session);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What may fail because of the server. */
    private interface Attempt {
        void run() throws IOException;
    }

    private boolean attempt(Attempt work) {
        try {
            work.run();
            return true;
        } catch (IOException | RuntimeException e) {
            boolean first = problem == null;
            problem = e instanceof DataException ? e.getMessage() : DataException.reason(e);
            if (first) {
                warn("has a problem (" + problem + "); the run goes on, and tries it again");
            }
            return false;
        }
    }

    private void send(MlflowSession session, long deadline) {
        session.begin();
        List<MetricValue> batch = pending.take();
        while (!batch.isEmpty()) {
            try {
                session.log(batch);
            } catch (RuntimeException e) {
                pending.putBack(batch);
                throw e;
            }
            if (System.nanoTime() > deadline) {
                return;
            }
            batch = pending.take();
        }
    }

    private void finish(MlflowSession session) {
        long deadline = System.nanoTime() + bounds.end().toNanos();
        List<String> missing = new ArrayList<>();
        boolean sent = attempt(() -> send(session, deadline));
        if (!session.begun()) {
            missing.add("the run");
        }
        if (!pending.missing().isEmpty()) {
            missing.add(pending.missing());
        }
        if (model != null && !(sent && attempt(() -> upload(session)))) {
            missing.add("the artifact " + model.getName());
        }
        if (!(sent && attempt(() -> session.end(model != null)))) {
            missing.add("the run's end");
        }
        if (missing.isEmpty()) {
            out.println("MLflow: " + session.page());
        } else {
            warn("lacks " + String.join(", ", missing) + (problem == null ? "" : " (" + problem + ")")
                    + "; the run directory has it all");
        }
    }

    private void upload(MlflowSession session) throws IOException {
        new ArtifactUpload(run.server(), bounds.call(), hadoop).folder(model, session.artifacts());
    }

    private void warn(String message) {
        err.println(String.format(Locale.ROOT, "kindling: MLflow at %s %s", run.server(), message));
    }
}
