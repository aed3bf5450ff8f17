package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;

/** An S3 server, S3Proxy with its objects in memory, as a process of its own. */
public final class S3Server implements AutoCloseable {
    private static final int START_SECONDS = 180;

    private final Process process;
    private final int port;

    /** @param folder for its settings and its log */
    public S3Server(Path folder) throws IOException, InterruptedException {
        port = freePort();
        Path settings = folder.resolve("s3proxy.properties");
        Files.write(
                settings,
                List.of(
                        "s3proxy.authorization=none",
                        "s3proxy.endpoint=http://127.0.0.1:" + port,
                        "jclouds.provider=transient",
                        "jclouds.identity=anyone",
                        "jclouds.credential=any"));
        String jar = System.getProperty("kindling.s3proxy");
        assertThat(jar)
                .as("the jar of S3Proxy, which Maven copies and names in -Dkindling.s3proxy")
                .isNotNull();
        Path log = folder.resolve("s3proxy.log");
        process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-jar",
                        jar,
                        "--properties",
                        settings.toString())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        awaitStart(log);
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private void awaitStart(Path log) throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (!answers()) {
            assertThat(process.isAlive() && System.nanoTime() - end < 0)
                    .as(Files.readString(log))
                    .isTrue();
            Thread.sleep(100);
        }
    }

    private boolean answers() {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
            return true;
        } catch (IOException e) { // not yet
            return false;
        }
    }

    public String endpoint() {
        return "http://127.0.0.1:" + port;
    }

    /** Makes a bucket, beside S3A, which makes none. */
    public void makeBucket(String name) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(endpoint() + "/" + name))
                .PUT(HttpRequest.BodyPublishers.noBody())
                .build();
        HttpResponse<Void> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding());
        assertThat(response.statusCode()).isEqualTo(200);
    }

    /** Hadoop's settings for a server; S3A gives up sooner than it would, so that Kindling's own patience is seen. */
    public static Map<String, String> settings(String endpoint) {
        return Map.ofEntries(
                Map.entry("fs.s3a.endpoint", endpoint),
                Map.entry("fs.s3a.endpoint.region", "us-east-1"),
                Map.entry("fs.s3a.path.style.access", "true"),
                Map.entry("fs.s3a.connection.ssl.enabled", "false"),
                Map.entry("fs.s3a.access.key", "anyone"),
                Map.entry("fs.s3a.secret.key", "any"),
                Map.entry("fs.s3a.attempts.maximum", "1"),
                Map.entry("fs.s3a.retry.limit", "4"),
                Map.entry("fs.s3a.retry.interval", "50ms"),
                Map.entry("fs.s3a.retry.throttle.limit", "4"),
                Map.entry("fs.s3a.retry.throttle.interval", "50ms"));
    }

    /** The store as this process reaches it. */
    public FileSystem bucket(String name) throws IOException {
        Configuration hadoop = new Configuration();
        settings(endpoint()).forEach(hadoop::set);
        hadoop.set("fs.s3a.impl.disable.cache", "true");
        return new org.apache.hadoop.fs.Path("s3a://" + name + "/").getFileSystem(hadoop);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
