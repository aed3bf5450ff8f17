package dev.kindling.session;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** Spark's GPU discovery script, conf/gpu-discovery.sh, as the jar brings it along. */
final class GpuDiscovery {
    private static final String RESOURCE = "/dev/kindling/conf/gpu-discovery.sh";

    private GpuDiscovery() {}

    /** Unpacks the script into a file of its own, which goes when this JVM ends; Spark wants a path. */
    static String script() {
        try (InputStream in = GpuDiscovery.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException("the jar lacks " + RESOURCE + "; build it again with mvn package");
            }
            Path script = Files.createTempFile(
                    "kindling-gpu-discovery",
                    ".sh",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            script.toFile().deleteOnExit();
            Files.write(script, in.readAllBytes());
            return script.toString();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write the GPU discovery script; check the temporary directory", e);
        }
    }
}
