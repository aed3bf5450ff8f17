package dev.kindling.storage;

import java.nio.charset.Charset;
import java.nio.charset.IllegalCharsetNameException;
import java.nio.charset.StandardCharsets;
import java.nio.charset.UnsupportedCharsetException;
import java.util.Locale;
import java.util.Optional;
import org.apache.spark.SparkEnv;

/**
 * Checks the encoding of arguments and file names, which the JVM takes from the locale when it starts. In a container's
 * locale (POSIX) everything but ASCII is lost before any of our code runs: folders seem to hold fewer files, and
 * prompts other characters.
 */
public final class NameEncoding {
    private NameEncoding() {}

    /**
     * Why arguments and file names cannot be relied on in a driver, or empty if they can.
     *
     * @param encoding the JVM's {@code sun.jnu.encoding}
     */
    public static Optional<String> whyNot(String encoding) {
        return isUtf8(encoding)
                ? Optional.empty()
                : Optional.of("arguments and file names reach this JVM in " + encoding
                        + ", which loses characters; start it with LC_ALL=C.UTF-8 in its environment, as submit.sh does"
                        + " (a driver in the cluster: --conf spark.yarn.appMasterEnv.LC_ALL=C.UTF-8 or"
                        + " spark.kubernetes.driverEnv.LC_ALL=C.UTF-8)");
    }

    /** Why file names cannot be relied on in this executor, or empty if they can, or if this is no executor. */
    public static Optional<String> whyNotOnExecutor() {
        SparkEnv env = SparkEnv.get();
        String encoding = ofThisJvm();
        return env == null || env.executorId().equals("driver") || isUtf8(encoding)
                ? Optional.empty()
                : Optional.of(String.format(
                        Locale.ROOT,
                        "file names reach executor %s on %s in %s, which loses characters; give executors a UTF-8 locale that their host has (--conf spark.executorEnv.LC_ALL=C.UTF-8, which Kindling sets where you set none)",
                        env.executorId(),
                        env.blockManager().blockManagerId().host(),
                        encoding));
    }

    /** The encoding of arguments and file names in this JVM. */
    public static String ofThisJvm() {
        return System.getProperty("sun.jnu.encoding");
    }

    private static boolean isUtf8(String encoding) {
        try {
            return Charset.forName(encoding).equals(StandardCharsets.UTF_8);
        } catch (IllegalCharsetNameException | UnsupportedCharsetException e) {
            return false;
        }
    }
}
