package dev.kindling.tracking;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * An HTTP server that speaks as much of MLflow's REST API as a client of tracking needs, checks what it gets against the API's
 * limits, and keeps it: one experiment, its runs, and artifacts served by the tracking server.
 */
public final class MlflowServer implements AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();
    private static final String API = "/api/2.0/mlflow/";
    private static final String ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/";

    /** How the server answers. */
    public enum Mood {
        WELL,
        ERROR_500,
        /** Not at all. */
        SILENT
    }

    /** A run as the server knows it. */
    public static final class Run {
        public final Map<String, String> params = new TreeMap<>();
        public final Map<String, String> tags = new TreeMap<>();
        /** "name step value". */
        public final List<String> metrics = new ArrayList<>();

        public String name;
        public volatile String status = "RUNNING";
    }

    private final HttpServer http;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final String artifactRoot;
    private final List<String> complaints = new ArrayList<>();
    private final Map<String, Run> runs = new ConcurrentHashMap<>();
    private final Map<String, byte[]> artifacts = new ConcurrentHashMap<>();
    private volatile Mood mood = Mood.WELL;
    private String experiment;

    public MlflowServer() throws IOException {
        this("mlflow-artifacts:/7/");
    }

    /** @param artifactRoot what a run's artifact_uri begins with */
    MlflowServer(String artifactRoot) throws IOException {
        this.artifactRoot = artifactRoot;
        http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.setExecutor(threads);
        http.createContext("/", this::answer);
        http.start();
    }

    public URI address() {
        return URI.create("http://127.0.0.1:" + http.getAddress().getPort());
    }

    public void become(Mood next) {
        mood = next;
    }

    public Map<String, Run> runs() {
        return runs;
    }

    public Map<String, byte[]> artifacts() {
        return artifacts;
    }

    public synchronized String experiment() {
        return experiment;
    }

    /** What was against the API. */
    public synchronized List<String> complaints() {
        return List.copyOf(complaints);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            String path = exchange.getRequestURI().getPath();
            if (mood == Mood.SILENT) {
                Thread.sleep(Long.MAX_VALUE);
            }
            if (mood == Mood.ERROR_500) {
                send(exchange, 500, "{\"error_code\": \"INTERNAL_ERROR\", \"message\": \"out of order\"}");
            } else if (path.startsWith(ARTIFACTS) && exchange.getRequestMethod().equals("PUT")) {
                artifacts.put(path.substring(ARTIFACTS.length()), body);
                send(exchange, 200, "{}");
            } else if (path.startsWith(API)) {
                JsonNode asked = body.length == 0 ? JSON.createObjectNode() : JSON.readTree(body);
                send(exchange, api(path.substring(API.length()), asked));
            } else {
                complain("nothing is at " + path);
                send(exchange, 404, "{}");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            complain(e.toString());
            throw e;
        }
    }

    private static void send(HttpExchange exchange, ObjectNode answer) throws IOException {
        send(exchange, answer.has("error_code") ? 404 : 200, answer.toString());
    }

    private static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    private synchronized void complain(String about) {
        complaints.add(about);
    }

    private synchronized ObjectNode api(String call, JsonNode asked) {
        ObjectNode answer = JSON.createObjectNode();
        switch (call) {
            case "experiments/get-by-name" -> {
                if (experiment == null) {
                    return answer.put("error_code", "RESOURCE_DOES_NOT_EXIST").put("message", "no such experiment");
                }
                answer.putObject("experiment").put("experiment_id", "7").put("name", experiment);
            }
            case "experiments/create" -> {
                experiment = asked.path("name").asText();
                answer.put("experiment_id", "7");
            }
            case "runs/create" -> {
                Run run = new Run();
                run.name = asked.path("run_name").asText();
                asked.path("tags")
                        .forEach(tag -> run.tags.put(
                                tag.get("key").asText(), tag.get("value").asText()));
                check(asked.path("experiment_id").asText().equals("7"), "a run of no experiment");
                String id = "run" + runs.size();
                runs.put(id, run);
                info(answer.putObject("run").putObject("info"), id);
            }
            case "runs/get" ->
                get(answer.putObject("run"), runs.keySet().iterator().next());
            case "runs/search" -> {
                for (Map.Entry<String, Run> run : runs.entrySet()) {
                    String directory = run.getValue().tags.get("kindling.run_directory");
                    String filter = "tags.`kindling.run_directory` = '" + directory.replace("'", "\\'") + "'";
                    if (asked.path("filter").asText().equals(filter)) {
                        get(answer.withArray("runs").addObject(), run.getKey());
                    }
                }
            }
            case "runs/log-batch" -> logBatch(run(asked), asked);
            case "runs/update" -> run(asked).status = asked.path("status").asText();
            default -> check(false, "no call of the API: " + call);
        }
        return answer;
    }

    private void get(ObjectNode answer, String id) {
        info(answer.putObject("info"), id);
        runs.get(id)
                .params
                .forEach((key, value) -> answer.withObject("/data")
                        .withArray("params")
                        .addObject()
                        .put("key", key)
                        .put("value", value));
    }

    private void info(ObjectNode info, String id) {
        info.put("run_id", id)
                .put("run_uuid", id)
                .put("experiment_id", "7")
                .put("status", runs.get(id).status)
                .put("artifact_uri", artifactRoot + id + "/artifacts");
    }

    private Run run(JsonNode asked) {
        Run run = runs.get(asked.path("run_id").asText());
        check(run != null, "no run " + asked.path("run_id"));
        return run;
    }

    private void logBatch(Run run, JsonNode asked) {
        check(asked.path("metrics").size() <= 1000, "more than 1000 metrics in a batch");
        check(asked.path("params").size() <= 100, "more than 100 params in a batch");
        for (JsonNode param : asked.path("params")) {
            String before =
                    run.params.put(param.get("key").asText(), param.get("value").asText());
            check(before == null || before.equals(param.get("value").asText()), "a param may not change");
            check(param.get("value").asText().length() <= 6000, "a param's value is too long");
        }
        for (JsonNode metric : asked.path("metrics")) {
            check(metric.path("timestamp").asLong() > 1_700_000_000_000L, "a metric has no time in milliseconds");
            run.metrics.add(metric.get("key").asText() + " "
                    + metric.path("step").asLong() + " " + metric.get("value").asDouble());
        }
    }

    private void check(boolean holds, String complaint) {
        if (!holds) {
            complaints.add(complaint);
        }
    }

    @Override
    public void close() {
        http.stop(0);
        threads.shutdownNow();
    }
}
