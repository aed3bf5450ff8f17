package dev.kindling.tracking;

import dev.kindling.data.DataException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;

/**
 * Copies the files of a folder to a run's artifacts: through the tracking server, where it serves them (mlflow-artifacts, http,
 * https), else to a Hadoop file system. MLflow's Java client leaves that to Python. Files stream.
 */
final class ArtifactUpload {
    private static final String PROXIED = "/api/2.0/mlflow-artifacts/artifacts";
    private static final Set<String> SERVED = Set.of("mlflow-artifacts", "http", "https");
    private static final int BYTES_A_SECOND = 1 << 20;

    private final URI server;
    private final Duration bound;
    private final Configuration hadoop;

    /** @param bound of each file, and a second more for each MiB of it */
    ArtifactUpload(URI server, Duration bound, Configuration hadoop) {
        this.server = server;
        this.bound = bound;
        this.hadoop = hadoop;
    }

    /**
     * Copies the files of {@code folder} to a folder of the same name.
     *
     * @param artifacts the root of the run's artifacts, as MLflow tells it
     * @throws DataException if the server refuses a file
     */
    void folder(Path folder, URI artifacts) throws IOException {
        for (FileStatus file : Storage.of(folder, hadoop).files().listStatus(folder)) {
            String name = folder.getName() + "/" + file.getPath().getName();
            if (artifacts.getScheme() != null && SERVED.contains(artifacts.getScheme())) {
                put(file, served(artifacts, name));
            } else {
                copy(file, new Path(stored(artifacts), name));
            }
        }
    }

    private URI served(URI artifacts, String name) {
        boolean proxied = artifacts.getScheme().equals("mlflow-artifacts");
        URI root = proxied && artifacts.getAuthority() == null ? server : artifacts;
        String scheme = proxied ? server.getScheme() : root.getScheme();
        String before = proxied ? (artifacts.getAuthority() == null ? slashless(server.getPath()) : "") + PROXIED : "";
        try {
            String path = before + "/" + slashless(artifacts.getPath()).replaceFirst("^/+", "") + "/" + name;
            return new URI(scheme, root.getAuthority(), path, null, null);
        } catch (URISyntaxException e) {
            throw new DataException("cannot write to its artifacts " + artifacts + " (" + e.getMessage() + ")", e);
        }
    }

    private static String slashless(String path) {
        return path == null ? "" : path.replaceFirst("/+$", "");
    }

    private void put(FileStatus file, URI to) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(to)
                .timeout(bound.plusSeconds(file.getLen() / BYTES_A_SECOND))
                .header("Content-Type", "application/octet-stream")
                .PUT(BodyPublishers.fromPublisher(
                        BodyPublishers.ofInputStream(() -> open(file.getPath())), Math.max(1, file.getLen())));
        if (file.getLen() == 0) {
            request.PUT(BodyPublishers.noBody());
        }
        authorization(System.getenv()).ifPresent(value -> request.header("Authorization", value));
        HttpClient http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(bound)
                .build();
        try {
            HttpResponse<String> answer = http.send(request.build(), BodyHandlers.ofString());
            if (answer.statusCode() / 100 != 2) {
                throw new DataException("PUT %s was answered %d %s", to, answer.statusCode(), answer.body());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while writing " + to, e);
        }
    }

    private InputStream open(Path path) {
        try {
            return Storage.of(path, hadoop).files().open(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As MLflow's clients do. */
    static Optional<String> authorization(Map<String, String> environment) {
        String user = environment.get("MLFLOW_TRACKING_USERNAME");
        String password = environment.get("MLFLOW_TRACKING_PASSWORD");
        String token = environment.get("MLFLOW_TRACKING_TOKEN");
        if (user != null && password != null) {
            byte[] both = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
            return Optional.of("Basic " + Base64.getEncoder().encodeToString(both));
        }
        return Optional.ofNullable(token).map(value -> "Bearer " + value);
    }

    /** MLflow says s3 for what Hadoop calls s3a, and may name a local folder without a scheme. */
    private static Path stored(URI artifacts) {
        if (artifacts.getScheme() == null) {
            return new Path("file", null, artifacts.getPath());
        }
        return new Path(artifacts.toString().replaceFirst("^s3:", "s3a:"));
    }

    private void copy(FileStatus file, Path to) throws IOException {
        try (InputStream in = open(file.getPath())) {
            Storage.of(to, hadoop).write(to, out -> in.transferTo(out));
        }
    }
}
