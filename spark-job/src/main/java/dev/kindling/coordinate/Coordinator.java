package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.RankMessage;
import dev.kindling.coordinate.message.Topic;
import dev.kindling.data.StoreException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's side of the control plane: one open generation at a time, whose ranks it hears, watches and stops.
 * Messages of any other generation are answered with "stop". {@link #receive} runs on the thread of that endpoint and never
 * blocks; the {@link TopicHandlers} have a thread of their own.
 */
public final class Coordinator implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Coordinator.class);
    /** Reports that wait for their handler, some 100 MB; more come when there are fewer. */
    private static final int MOST_WAITING = 50_000;
    /** Of the shutdown hook, before those of Spark, which end the executors. */
    private static final int HOOK_PRIORITY = 500;
    /**
     * How long the process's end waits for executors at most: a standalone worker kills it after 10 s, and it has more to do.
     * What takes longer to be written, executors go on with while Spark ends them.
     */
    private static final long SAVING_MILLIS = 8_000;

    private static final long HOOK_SECONDS = 20;
    /** How long it takes a process that holds something to ask the driver for news. */
    private static final long ASK_MILLIS = 1_500;

    private static final long POLL_MILLIS = 20;

    private record RequestId(int generation, int rank, long id) {}

    /** What the handlers' thread is at, and since when. */
    private record Handling(String topic, int rank, long since) {}

    private final String job = UUID.randomUUID().toString();
    private final TopicHandlers handlers;
    private final ExecutorService handlersThread;
    private final Map<RequestId, DriverReply> handled = new HashMap<>();
    private final JavaSparkContext sc;
    private final SparkListener listener;
    private final Object whileHandling = new Object();
    private volatile GenerationState open;
    private volatile Handling handling;
    private final AtomicInteger waiting = new AtomicInteger();
    /** Whether an executor, by its id, is still saving what it holds before the driver's process ends. */
    private final Map<String, Boolean> saving = new ConcurrentHashMap<>();

    private final CountDownLatch saved = new CountDownLatch(1);
    private final Runnable onShutdown = this::awaitSaving;

    /** Registers with the endpoint that ranks ask; one Coordinator may be open per driver. */
    public Coordinator(JavaSparkContext sc, TopicHandlers handlers) {
        this.sc = sc;
        this.handlers = handlers;
        this.listener = new ClusterListener(() -> open, executor -> saving.replace(executor, false));
        this.handlersThread = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "kindling-topic-handlers");
            thread.setDaemon(true);
            return thread;
        });
        sc.sc().addSparkListener(listener);
        CoordinatorEndpoint.connect(this);
        ShutdownHookManager.get().addShutdownHook(onShutdown, HOOK_PRIORITY, HOOK_SECONDS, TimeUnit.SECONDS);
    }

    /** Has all executors save what they hold at once, and waits for them: Spark would end them in the middle of a step. */
    private void awaitSaving() {
        long began = System.nanoTime();
        try {
            long waited = 0;
            while (waited < SAVING_MILLIS && mayStillSave(waited)) {
                Thread.sleep(POLL_MILLIS);
                waited = Watchdog.millisSince(began);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            saved.countDown();
        }
    }

    private boolean mayStillSave(long millis) {
        GenerationState current = open;
        return saving.containsValue(true)
                || (current != null && current.someBeat())
                || (saving.isEmpty() && millis < ASK_MILLIS);
    }

    /** Whether the driver's process is about to end. If so, returns when executors have saved what they hold, or in time. */
    boolean awaitEnding() {
        if (!ShutdownHookManager.get().isShutdownInProgress()) {
            return false;
        }
        try {
            if (!saved.await(HOOK_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("the shutdown hook that waits for executors has not ended within {} s", HOOK_SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return true;
    }

    void open(GenerationState next) {
        synchronized (handled) {
            handled.clear();
        }
        open = next;
    }

    /** Refuses everything of the current generation from now on, and waits for a running handler to return. */
    void shut(String reason) {
        GenerationState current = open;
        if (current != null) {
            current.stop(reason);
            synchronized (whileHandling) {
                open = null;
            }
        }
    }

    /** What tells this job from others, in messages and in what ranks leave to later generations. */
    String job() {
        return job;
    }

    DriverReply receive(RankMessage message) {
        if (message instanceof RankMessage.Retains question) {
            return retains(question);
        }
        if (message instanceof RankMessage.Saves saves) {
            saving.put(saves.executor(), !saves.done());
            return new DriverReply.Ok();
        }
        GenerationState current = open;
        if (current == null) {
            return new DriverReply.Stop("no generation is running");
        }
        DriverReply reply = current.receive(message);
        if (!(reply instanceof DriverReply.Ok)) {
            return reply;
        }
        if (message instanceof RankMessage.Heartbeat) {
            return unlessEnding();
        } else if (message instanceof RankMessage.Request request) {
            handlersThread.execute(() -> handle(current, request));
        } else if (message instanceof RankMessage.Reports reports) {
            return queue(current, reports);
        } else if (message instanceof RankMessage.IsHandled question) {
            return handled(question);
        }
        return reply;
    }

    private DriverReply retains(RankMessage.Retains question) {
        if (!question.job().equals(job)) {
            return new DriverReply.Stop("another job runs");
        }
        return unlessEnding();
    }

    private static DriverReply unlessEnding() {
        return ShutdownHookManager.get().isShutdownInProgress() ? new DriverReply.Ending() : new DriverReply.Ok();
    }

    /** The rank sends them again where there is no room for them. */
    private DriverReply queue(GenerationState of, RankMessage.Reports reports) {
        if (waiting.get() >= MOST_WAITING) {
            return new DriverReply.Waiting();
        }
        waiting.addAndGet(reports.values().size());
        handlersThread.execute(() -> {
            waiting.addAndGet(-reports.values().size());
            handle(of, reports);
        });
        return new DriverReply.Ok();
    }

    private DriverReply handled(RankMessage.IsHandled question) {
        synchronized (handled) {
            DriverReply reply = handled.remove(new RequestId(question.generation(), question.rank(), question.id()));
            return reply == null ? new DriverReply.Waiting() : reply;
        }
    }

    private void handle(GenerationState of, RankMessage.Request request) {
        synchronized (whileHandling) {
            if (open != of) {
                return;
            }
            DriverReply reply = new DriverReply.Ok();
            try {
                handleOne(of, request.rank(), request.value());
            } catch (Exception | Error e) {
                reply = new DriverReply.HandlerFailed(reasonOf(e), e instanceof FatalJobException);
            }
            synchronized (handled) {
                handled.put(new RequestId(request.generation(), request.rank(), request.id()), reply);
            }
        }
    }

    private void handle(GenerationState of, RankMessage.Reports reports) {
        synchronized (whileHandling) {
            for (Topic.Value value : reports.values()) {
                if (open != of) {
                    return;
                }
                try {
                    handleOne(of, reports.rank(), value);
                } catch (Exception | Error e) {
                    boolean fatal = e instanceof FatalJobException;
                    String what = fatal ? "" : "the driver failed on report '" + value.topic() + "': ";
                    of.blame(new FirstCause(-1, "", what + reasonOf(e), "", fatal));
                    return;
                }
            }
        }
    }

    private void handleOne(GenerationState of, int rank, Topic.Value value) throws Exception {
        handling = new Handling(value.topic(), rank, System.nanoTime());
        try {
            handlers.handle(of.generation(), rank, value);
        } finally {
            handling = null;
        }
    }

    /** What a handler has been busy with for longer than {@code millis}: nothing else that ranks send is handled then. */
    Optional<String> busy(long millis) {
        Handling now = handling;
        return now == null || Watchdog.millisSince(now.since()) < millis
                ? Optional.empty()
                : Optional.of(String.format(
                        Locale.ROOT,
                        "the driver has been at the '%s' of rank %d for %d s",
                        now.topic(),
                        now.rank(),
                        Watchdog.millisSince(now.since()) / 1000));
    }

    private static String reasonOf(Throwable e) {
        return e instanceof FatalJobException || e instanceof StoreException ? e.getMessage() : e.toString();
    }

    @Override
    public void close() {
        if (!awaitEnding()) {
            ShutdownHookManager.get().removeShutdownHook(onShutdown);
        }
        shut("the job is over");
        CoordinatorEndpoint.disconnect(this);
        sc.sc().removeSparkListener(listener);
        handlersThread.shutdown();
        try {
            if (!handlersThread.awaitTermination(10, TimeUnit.SECONDS)) {
                handlersThread.shutdownNow();
            }
        } catch (InterruptedException e) {
            handlersThread.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
