package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Message;
import dev.kindling.coordinate.message.Reply;
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
 * blocks; the {@link RequestHandler} has a thread of its own.
 */
public final class Coordinator implements AutoCloseable {
    private record Ticket(int generation, int rank, long id) {}

    private record Settled(byte[] answer, String error) {}

    private final RequestHandler handler;
    private final ExecutorService requests;
    private final Map<Ticket, Settled> answers = new HashMap<>();
    private final JavaSparkContext sc;
    private final SparkListener listener;
    private final Object running = new Object();
    private volatile GenerationState board;

    /** Registers with Spark's plugin; one Coordinator may be open per driver. */
    public Coordinator(JavaSparkContext sc, RequestHandler handler) {
        this.sc = sc;
        this.handler = handler;
        this.listener = new ClusterListener(() -> board);
        this.requests = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "kindling-requests");
            thread.setDaemon(true);
            return thread;
        });
        sc.sc().addSparkListener(listener);
        CoordinatorPlugin.connect(this);
    }

    void open(GenerationState next) {
        synchronized (answers) {
            answers.clear();
        }
        board = next;
    }

    /** Refuses everything of the current generation from now on, and waits for a running request to return. */
    void shut(String reason) {
        GenerationState current = board;
        if (current != null) {
            current.stop(reason);
            synchronized (running) {
                board = null;
            }
        }
    }

    Reply receive(Message message) {
        GenerationState current = board;
        if (current == null) {
            return new Reply.Stop("no generation is running");
        }
        if (message instanceof Message.Poll poll) {
            Reply alive = current.receive(message);
            return alive instanceof Reply.Ok ? poll(poll) : alive;
        }
        Reply reply = current.receive(message);
        if (reply instanceof Reply.Ok && message instanceof Message.Request request) {
            requests.execute(() -> serve(current, request));
        } else if (reply instanceof Reply.Ok && message instanceof Message.Reports reports) {
            requests.execute(() -> take(current, reports));
        }
        return reply;
    }

    private Reply poll(Message.Poll poll) {
        Settled settled;
        synchronized (answers) {
            settled = answers.remove(new Ticket(poll.generation(), poll.rank(), poll.id()));
        }
        if (settled == null) {
            return new Reply.Waiting();
        }
        return settled.error == null ? new Reply.Answer(settled.answer) : new Reply.Refused(settled.error);
    }

    private void serve(GenerationState of, Message.Request request) {
        synchronized (running) {
            if (board != of) {
                return;
            }
            Settled settled;
            try {
                byte[] answer = handler.handle(of.generation(), request.rank(), request.topic(), request.payload());
                settled = new Settled(answer == null ? new byte[0] : answer, null);
            } catch (Exception e) {
                settled = new Settled(null, e.toString());
            }
            synchronized (answers) {
                answers.put(new Ticket(request.generation(), request.rank(), request.id()), settled);
            }
        }
    }

    private void take(GenerationState of, Message.Reports reports) {
        synchronized (running) {
            for (Message.Report report : reports.reports()) {
                if (board != of) {
                    return;
                }
                try {
                    handler.handle(of.generation(), reports.rank(), report.topic(), report.payload());
                } catch (Exception e) {
                    String what = "the driver failed on report '" + report.topic() + "': " + e;
                    of.blame(new FirstCause(-1, "", what, "", e instanceof FatalJobException));
                    return;
                }
            }
        }
    }

    @Override
    public void close() {
        shut("the job is over");
        CoordinatorPlugin.disconnect(this);
        sc.sc().removeSparkListener(listener);
        requests.shutdown();
        try {
            if (!requests.awaitTermination(10, TimeUnit.SECONDS)) {
                requests.shutdownNow();
            }
        } catch (InterruptedException e) {
            requests.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
