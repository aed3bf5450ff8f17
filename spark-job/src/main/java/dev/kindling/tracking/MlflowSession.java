package dev.kindling.tracking;

import dev.kindling.data.DataException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import org.mlflow.api.proto.Service.CreateRun;
import org.mlflow.api.proto.Service.Metric;
import org.mlflow.api.proto.Service.Param;
import org.mlflow.api.proto.Service.Run;
import org.mlflow.api.proto.Service.RunInfo;
import org.mlflow.api.proto.Service.RunStatus;
import org.mlflow.api.proto.Service.RunTag;
import org.mlflow.api.proto.Service.ViewType;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.creds.BasicMlflowHostCreds;

/**
 * A run on an MLflow server, through MLflow's client. Its calls are bounded, which the client's are not: one that takes longer
 * is cut off, and fails. Errors are the client's own. Used by one thread.
 */
final class MlflowSession implements AutoCloseable {
    /** MLflow's own limit of parameters in a batch. */
    private static final int MOST_PARAMS = 100;
    /** MLflow's tag for what made a run. */
    private static final String SOURCE = "mlflow.source.name";

    private static final String DIRECTORY = "kindling.run_directory";

    private final TrackedRun tracked;
    private final Duration bound;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread named = new Thread(work, "kindling-mlflow-clock");
        named.setDaemon(true);
        return named;
    });
    private MlflowClient client;
    private String experiment;
    private RunInfo run;
    private boolean described;
    private boolean attempted;

    /** @param bound of each call */
    MlflowSession(TrackedRun tracked, Duration bound) {
        this.tracked = tracked;
        this.bound = bound;
    }

    /** Makes the run, or finds that of the run directory, and gives it its parameters. Does what is left to do. */
    void begin() {
        if (run == null) {
            experiment = call(this::experiment);
            boolean seek = tracked.resumed() || attempted; // an attempt that was cut off may have made it
            attempted = true;
            run = call(connected -> seek ? found(connected) : made(connected));
            described = tracked.resumed() && described(run);
        }
        if (!described) {
            List<Param> params = new ArrayList<>();
            tracked.params()
                    .forEach((key, value) -> params.add(
                            Param.newBuilder().setKey(key).setValue(value).build()));
            for (int from = 0; from < params.size(); from += MOST_PARAMS) {
                List<Param> batch = params.subList(from, Math.min(params.size(), from + MOST_PARAMS));
                send(connected -> connected.logBatch(run.getRunId(), List.of(), batch, List.of()));
            }
            described = true;
        }
    }

    /** Whether a run that was found has its parameters; MLflow refuses other values for them. */
    private boolean described(RunInfo found) {
        return call(connected -> connected.getRun(found.getRunId()).getData().getParamsCount() > 0);
    }

    private String experiment(MlflowClient connected) {
        return connected
                .getExperimentByName(tracked.experiment())
                .map(found -> found.getExperimentId())
                .orElseGet(() -> connected.createExperiment(tracked.experiment()));
    }

    private RunInfo found(MlflowClient connected) {
        String filter = "tags.`" + DIRECTORY + "` = '" + tracked.directory().replace("'", "\\'") + "'";
        List<Run> found = connected
                .searchRuns(List.of(experiment), filter, ViewType.ACTIVE_ONLY, 1)
                .getItems();
        if (found.isEmpty()) {
            return made(connected);
        }
        RunInfo info = found.get(0).getInfo();
        connected.setTerminated(info.getRunId(), RunStatus.RUNNING);
        return info;
    }

    private RunInfo made(MlflowClient connected) {
        return connected.createRun(CreateRun.newBuilder()
                .setExperimentId(experiment)
                .setRunName(tracked.name())
                .setStartTime(System.currentTimeMillis())
                .addTags(tag(SOURCE, "Kindling"))
                .addTags(tag(DIRECTORY, tracked.directory()))
                .build());
    }

    private static RunTag tag(String key, String value) {
        return RunTag.newBuilder().setKey(key).setValue(value).build();
    }

    /** Sends at most a thousand values. */
    void log(List<MetricValue> values) {
        List<Metric> batch = values.stream()
                .map(value -> Metric.newBuilder()
                        .setKey(value.name())
                        .setValue(value.value())
                        .setStep(value.step())
                        .setTimestamp(value.millis())
                        .build())
                .toList();
        send(connected -> connected.logBatch(run.getRunId(), batch, List.of(), List.of()));
    }

    /** Ends the run. */
    void end(boolean finished) {
        RunStatus status = finished ? RunStatus.FINISHED : RunStatus.FAILED;
        send(connected -> connected.setTerminated(run.getRunId(), status));
    }

    /** Whether the server has the run. */
    boolean begun() {
        return run != null && described;
    }

    /** Where the run's artifacts go. */
    URI artifacts() {
        return URI.create(run.getArtifactUri());
    }

    /** The run's page. */
    String page() {
        return String.format(
                Locale.ROOT,
                "%s/#/experiments/%s/runs/%s",
                tracked.server().toString().replaceFirst("/+$", ""),
                experiment,
                run.getRunId());
    }

    private void send(Consumer<MlflowClient> work) {
        call(connected -> {
            work.accept(connected);
            return null;
        });
    }

    /** Closing a client ends its request. */
    private <T> T call(Function<MlflowClient, T> work) {
        if (client == null) {
            client = client();
        }
        MlflowClient used = client;
        AtomicBoolean late = new AtomicBoolean();
        ScheduledFuture<?> cut = clock.schedule(
                () -> {
                    late.set(true);
                    used.close();
                },
                bound.toMillis(),
                TimeUnit.MILLISECONDS);
        try {
            return work.apply(used);
        } catch (RuntimeException e) {
            if (late.get()) {
                throw new DataException("it did not answer within " + bound.toSeconds() + " s", e);
            }
            throw e;
        } finally {
            cut.cancel(false);
            if (late.get()) {
                client = null;
            }
        }
    }

    private MlflowClient client() {
        Map<String, String> environment = System.getenv();
        return new MlflowClient(new BasicMlflowHostCreds(
                tracked.server().toString(),
                environment.get("MLFLOW_TRACKING_USERNAME"),
                environment.get("MLFLOW_TRACKING_PASSWORD"),
                environment.get("MLFLOW_TRACKING_TOKEN"),
                Boolean.parseBoolean(environment.get("MLFLOW_TRACKING_INSECURE_TLS"))));
    }

    @Override
    public void close() {
        clock.shutdownNow();
        if (client != null) {
            client.close();
        }
    }
}
