package dev.kindling.monitor;

import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.monitor.TrainingEvent.CheckpointCommitted;
import dev.kindling.monitor.TrainingEvent.GenerationFailed;
import dev.kindling.monitor.TrainingEvent.GenerationStarted;
import dev.kindling.monitor.TrainingEvent.RunEnded;
import dev.kindling.monitor.TrainingEvent.RunStarted;
import dev.kindling.report.StepMetrics;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.URLConnection;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ui.SparkUI;
import org.apache.spark.ui.WebUITab;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.jdk.javaapi.CollectionConverters;

/** The driver's end of {@link TrainingEvent}s and gauges for one run, and the live tab. Safe to share between threads. */
public final class SparkMonitor implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SparkMonitor.class);
    /** After the first step, when there is something to show, and the start is over. */
    private static final long WARM_UP_NANOS = 3_000_000_000L;

    private static final int WARM_UP_MILLIS = 10_000;

    private final SparkContext spark;
    private final TrainingGauges gauges = new TrainingGauges();
    private final TrainingFeed feed;
    private String problem = "the run did not end";
    private long firstStepNanos;
    private boolean pageAsked;

    /**
     * Begins to show a run.
     *
     * @param run the run directory
     * @param facts what to show of its configuration, by name
     */
    public SparkMonitor(JavaSparkContext sc, String run, long maxSteps, Map<String, String> facts) {
        spark = sc.sc();
        feed = new TrainingFeed(maxSteps, System::nanoTime, this::post);
        if (spark.ui().isDefined()) {
            showTab(spark.ui().get());
        }
        SparkEnv.get().metricsSystem().registerSource(gauges);
        post(new RunStarted(now(), run, maxSteps, facts));
    }

    private void showTab(SparkUI ui) {
        for (WebUITab tab : CollectionConverters.asJava(ui.getTabs())) {
            if (tab instanceof TrainingTab) {
                return; // of an earlier run of this application
            }
        }
        spark.listenerBus().addToStatusQueue(new TrainingListener(ui.store().store()));
        new TrainingTab(ui);
    }

    /** Where to look at the run; empty without a Spark UI. */
    public Optional<String> url() {
        return spark.uiWebUrl().isDefined()
                ? Optional.of(spark.uiWebUrl().get() + "/" + TrainingTab.PREFIX + "/")
                : Optional.empty();
    }

    public synchronized void generationStarted(Generation generation) {
        feed.flush(); // of the ranks before, which may have been fewer
        gauges.generationStarted(generation.number(), generation.worldSize());
        post(new GenerationStarted(
                now(), generation.number(), generation.attempt(), generation.worldSize(), generation.startStep()));
    }

    public synchronized void generationFailed(Generation generation, FirstCause cause) {
        feed.flush();
        gauges.generationFailed();
        problem = cause.describe();
        post(new GenerationFailed(now(), generation.number(), problem));
    }

    public synchronized void stepDone(StepMetrics step) {
        gauges.update(step);
        feed.add(step);
        firstStepNanos = firstStepNanos == 0 ? System.nanoTime() : firstStepNanos;
        if (!pageAsked && System.nanoTime() - firstStepNanos > WARM_UP_NANOS) {
            pageAsked = true;
            url().ifPresent(SparkMonitor::warmUp);
        }
    }

    /** Requests the page once, so that the classes of Spark's UI, which take a second or two to load, are there for users. */
    private static void warmUp(String url) {
        Thread thread = new Thread(
                () -> {
                    try {
                        URLConnection page = URI.create(url).toURL().openConnection();
                        page.setConnectTimeout(WARM_UP_MILLIS);
                        page.setReadTimeout(WARM_UP_MILLIS);
                        try (InputStream html = page.getInputStream()) {
                            html.transferTo(OutputStream.nullOutputStream());
                        }
                    } catch (IOException e) { // a UI that this process may not read, such as one with a login
                        LOG.debug("{} was not warmed up: {}", url, e.toString());
                    }
                },
                "kindling-page-warm-up");
        thread.setDaemon(true);
        thread.start();
    }

    public synchronized void checkpointCommitted(long step, String path) {
        gauges.checkpointCommitted(step);
        post(new CheckpointCommitted(now(), step, path));
    }

    /** All steps are done. */
    public synchronized void finished() {
        problem = "";
    }

    @Override
    public synchronized void close() {
        feed.flush();
        post(new RunEnded(now(), problem));
        SparkEnv env = SparkEnv.get();
        if (env != null) {
            env.metricsSystem().removeSource(gauges);
        }
    }

    private void post(TrainingEvent event) {
        spark.listenerBus().post(event);
    }

    private static long now() {
        return System.currentTimeMillis();
    }
}
