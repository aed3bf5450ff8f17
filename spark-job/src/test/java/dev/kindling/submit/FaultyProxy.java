package dev.kindling.submit;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Stands before an S3 server and, where it is told so, answers as a bad day does: by the count of requests some are
 * refused with 503, broken off without an answer or within it, or delayed; for a while all are refused. It also refuses to
 * create what exists where a request asks for that, which S3 does and the server behind does not.
 */
public final class FaultyProxy implements AutoCloseable {
    /** What happens to a request. */
    enum Fault {
        REFUSED,
        DROPPED,
        CUT,
        DELAYED
    }

    private static final Set<String> OF_THE_CONNECTION =
            Set.of("host", "connection", "content-length", "expect", "upgrade", "transfer-encoding", "date");
    private static final long DELAY_MILLIS = 300;
    /** Answers from this length on may be cut. */
    private static final int CUT_BYTES = 1_000;

    private final String server;
    private final HttpServer front;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final AtomicLong requests = new AtomicLong();
    private final AtomicLong large = new AtomicLong();
    private final Map<Fault, AtomicLong> faults = new EnumMap<>(Fault.class);
    private final Queue<String> copies = new ConcurrentLinkedQueue<>();
    private final AtomicLong all = new AtomicLong();
    private volatile Duration latency = Duration.ZERO;
    private volatile boolean faulty;
    private volatile String trigger;
    private volatile Duration outage;
    private volatile long outageEnd = System.nanoTime();

    public FaultyProxy(String server) throws IOException {
        this.server = server;
        for (Fault fault : Fault.values()) {
            faults.put(fault, new AtomicLong());
        }
        front = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 100);
        front.createContext("/", this::handle);
        front.setExecutor(threads);
        front.start();
    }

    public String endpoint() {
        return "http://127.0.0.1:" + front.getAddress().getPort();
    }

    /** Whether single requests fail, by their count. */
    void faulty(boolean on) {
        faulty = on;
    }

    /** All requests are refused for a while, from the first on whose path contains {@code part}. */
    void outageFrom(String part, Duration length) {
        outage = length;
        trigger = part;
    }

    /** From now on every request takes so much longer. */
    public void latency(Duration each) {
        latency = each;
    }

    /** How many requests there have been. */
    public long all() {
        return all.get();
    }

    /** How many requests a fault has met. */
    long count(Fault fault) {
        return faults.get(fault).get();
    }

    /** What was copied within the server. */
    List<String> copies() {
        return List.copyOf(copies);
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            all.incrementAndGet();
            Thread.sleep(latency.toMillis());
            String from = exchange.getRequestHeaders().getFirst("x-amz-copy-source");
            if (from != null) {
                copies.add(from);
            }
            if (isOut(exchange.getRequestURI().getPath())) {
                refuse(exchange);
                return;
            }
            long number = faulty ? requests.incrementAndGet() : 1;
            if (number % 23 == 0) {
                refuse(exchange);
            } else if (number % 29 == 0) {
                meets(Fault.DROPPED); // closed without an answer
            } else {
                if (number % 31 == 0) {
                    meets(Fault.DELAYED);
                    Thread.sleep(DELAY_MILLIS);
                }
                answer(exchange, forward(exchange, body));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized boolean isOut(String path) {
        if (trigger != null && path.contains(trigger)) {
            trigger = null;
            outageEnd = System.nanoTime() + outage.toNanos();
        }
        return System.nanoTime() - outageEnd < 0;
    }

    private void meets(Fault fault) {
        faults.get(fault).incrementAndGet();
    }

    private void refuse(HttpExchange exchange) throws IOException {
        meets(Fault.REFUSED);
        exchange.sendResponseHeaders(503, -1);
    }

    private HttpResponse<byte[]> forward(HttpExchange exchange, byte[] body) throws IOException, InterruptedException {
        if ("*".equals(exchange.getRequestHeaders().getFirst("If-None-Match"))) {
            synchronized (client) { // so that of two creations at once one is refused
                HttpResponse<byte[]> present = send(exchange, "HEAD", new byte[0]);
                return present.statusCode() == 200 ? present : send(exchange, exchange.getRequestMethod(), body);
            }
        }
        return send(exchange, exchange.getRequestMethod(), body);
    }

    private HttpResponse<byte[]> send(HttpExchange exchange, String method, byte[] body)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(server + exchange.getRequestURI()));
        exchange.getRequestHeaders().forEach((name, values) -> {
            if (!OF_THE_CONNECTION.contains(name.toLowerCase(Locale.ROOT))) {
                values.forEach(value -> request.header(name, value));
            }
        });
        request.method(
                method,
                body.length == 0 ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofByteArray(body));
        return client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    private void answer(HttpExchange exchange, HttpResponse<byte[]> response) throws IOException {
        boolean head = exchange.getRequestMethod().equals("HEAD");
        boolean refused = response.request().method().equals("HEAD") && !head;
        response.headers().map().forEach((name, values) -> {
            String lower = name.toLowerCase(Locale.ROOT);
            if (!OF_THE_CONNECTION.contains(lower) || (head && lower.equals("content-length"))) {
                exchange.getResponseHeaders().put(name, values);
            }
        });
        byte[] body = response.body();
        boolean none = head || refused || body.length == 0;
        exchange.sendResponseHeaders(refused ? 412 : response.statusCode(), none ? -1 : body.length);
        if (!none) {
            boolean cut = faulty && body.length > CUT_BYTES && large.incrementAndGet() % 5 == 0;
            exchange.getResponseBody().write(body, 0, cut ? body.length / 2 : body.length);
            if (cut) {
                meets(Fault.CUT);
                exchange.getResponseBody().flush();
            }
        }
    }

    @Override
    public void close() {
        front.stop(0);
        threads.shutdownNow();
    }
}
