package dev.kindling.session;

import dev.kindling.config.ConfigException;
import java.nio.ByteBuffer;
import org.apache.spark.launcher.JavaModuleOptions;
import org.apache.spark.serializer.KryoSerializer;

/** The JDK's packages that Spark reaches into; spark-submit opens them, and so do YARN and Kubernetes. */
final class DriverModules {
    private DriverModules() {}

    /**
     * Fails where this JVM has been started without Spark's options, as a standalone cluster starts a driver that was
     * submitted in cluster mode to the master's own port. Kryo would fail in the middle of the job.
     *
     * @throws ConfigException with the options to give
     */
    static void requireOpen() {
        boolean open = ByteBuffer.class
                .getModule()
                .isOpen(ByteBuffer.class.getPackageName(), KryoSerializer.class.getModule());
        if (!open) {
            throw new ConfigException(
                    "the driver's JVM was started without Spark's --add-opens, which a standalone master adds only to what comes through its REST port; submit there (spark.master.rest.enabled=true at the master, --master spark://HOST:6066), or add --conf \"spark.driver.extraJavaOptions=%s\"",
                    JavaModuleOptions.defaultModuleOptions());
        }
    }
}
