package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.RankMessage;
import dev.kindling.coordinate.message.Topic;
import dev.kindling.data.StoreException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;

/**
 * The driver's side of the control plane: one open generation at a time, whose ranks it hears, watches and stops.
 * Messages of any other generation are answered with "stop". {@link #receive} runs on Spark's plugin thread and never
 * blocks; the {@link TopicHandlers} have a thread of their own.
 */
public final class Coordinator implements AutoCloseable {
    private record RequestId(int generation, int rank, long id) {}

    private final TopicHandlers handlers;
    private final ExecutorService handling;
    private final Map<RequestId, DriverReply> handled = new HashMap<>();
    private final JavaSparkContext sc;
    private final SparkListener listener;
    private final Object whileHandling = new Object();
    private volatile GenerationState open;

    /** Registers with Spark's plugin; one Coordinator may be open per driver. */
    public Coordinator(JavaSparkContext sc, TopicHandlers handlers) {
        this.sc = sc;
        this.handlers = handlers;
        this.listener = new ClusterListener(() -> open);
        this.handling = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "kindling-topic-handlers");
            thread.setDaemon(true);
            return thread;
        });
        sc.sc().addSparkListener(listener);
        CoordinatorPlugin.connect(this);
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

    DriverReply receive(RankMessage message) {
        GenerationState current = open;
        if (current == null) {
            return new DriverReply.Stop("no generation is running");
        }
        DriverReply reply = current.receive(message);
        if (!(reply instanceof DriverReply.Ok)) {
            return reply;
        }
        if (message instanceof RankMessage.Request request) {
            handling.execute(() -> handle(current, request));
        } else if (message instanceof RankMessage.Reports reports) {
            handling.execute(() -> handle(current, reports));
        } else if (message instanceof RankMessage.IsHandled question) {
            return handled(question);
        }
        return reply;
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
                handlers.handle(of.generation(), request.rank(), request.value());
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
                    handlers.handle(of.generation(), reports.rank(), value);
                } catch (Exception | Error e) {
                    boolean fatal = e instanceof FatalJobException;
                    String what = fatal ? "" : "the driver failed on report '" + value.topic() + "': ";
                    of.blame(new FirstCause(-1, "", what + reasonOf(e), "", fatal));
                    return;
                }
            }
        }
    }

    private static String reasonOf(Throwable e) {
        return e instanceof FatalJobException || e instanceof StoreException ? e.getMessage() : e.toString();
    }

    @Override
    public void close() {
        shut("the job is over");
        CoordinatorPlugin.disconnect(this);
        sc.sc().removeSparkListener(listener);
        handling.shutdown();
        try {
            if (!handling.awaitTermination(10, TimeUnit.SECONDS)) {
                handling.shutdownNow();
            }
        } catch (InterruptedException e) {
            handling.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
