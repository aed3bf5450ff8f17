package dev.kindling.job;

import java.nio.charset.Charset;
import java.nio.charset.IllegalCharsetNameException;
import java.nio.charset.StandardCharsets;
import java.nio.charset.UnsupportedCharsetException;
import java.util.Optional;

/**
 * Checks the encoding of arguments and file names, which the JVM takes from the locale when it starts. In a container's
 * locale (POSIX) everything but ASCII is lost before any of our code runs: folders seem to hold fewer files, and
 * prompts other characters.
 */
final class NameEncoding {
    private NameEncoding() {}

    /**
     * Why arguments and file names cannot be relied on, or empty if they can.
     *
     * @param encoding the JVM's {@code sun.jnu.encoding}
     */
    static Optional<String> whyNot(String encoding) {
        return isUtf8(encoding)
                ? Optional.empty()
                : Optional.of("arguments and file names reach this JVM in " + encoding
                        + ", which loses characters; start it with LC_ALL=C.UTF-8 in its environment, as submit.sh does"
                        + " (a driver in the cluster: --conf spark.yarn.appMasterEnv.LC_ALL=C.UTF-8 or"
                        + " spark.kubernetes.driverEnv.LC_ALL=C.UTF-8)");
    }

    private static boolean isUtf8(String encoding) {
        try {
            return Charset.forName(encoding).equals(StandardCharsets.UTF_8);
        } catch (IllegalCharsetNameException | UnsupportedCharsetException e) {
            return false;
        }
    }
}
