package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** An S3 server, S3Proxy with its objects in memory, as a process of its own. */
final class S3Server implements AutoCloseable {
    private static final int START_SECONDS = 180;

    private final Process process;
    private final int port;

    /** @param folder for its settings and its log */
    S3Server(Path folder) throws IOException, InterruptedException {
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

    String endpoint() {
        return "http://127.0.0.1:" + port;
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
