package dev.kindling.report;

import dev.kindling.data.DataException;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reports that a file of metrics cannot be written: once when that begins, and once when it is over. Not thread-safe. */
final class Outage {
    private static final Logger LOG = LoggerFactory.getLogger(Outage.class);
    private static final long FIRST_PAUSE_MILLIS = 1_000;
    private static final long LONGEST_PAUSE_MILLIS = 30_000;

    private final String file;
    private boolean on;
    private long pauseMillis = FIRST_PAUSE_MILLIS;
    private long failedNanos;

    Outage(String file) {
        this.file = file;
    }

    /** Whether it is time to write: there is no outage, or its last failure was long enough ago. */
    boolean mayTry() {
        return !on || (System.nanoTime() - failedNanos) / 1_000_000 > pauseMillis;
    }

    void failed(Exception cause) {
        pauseMillis = on ? Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS) : FIRST_PAUSE_MILLIS;
        failedNanos = System.nanoTime();
        LOG.warn("could not write {}", file, cause);
        if (!on) {
            on = true;
            tell(
                    "%s cannot be written (%s); training goes on, and what is missing there follows as soon as it can",
                    file, DataException.reason(cause));
        }
    }

    void over() {
        if (on) {
            on = false;
            tell("%s can be written again, and has what was missing", file);
        }
    }

    /** The run ends with the steps from {@code first} to {@code last} missing. */
    void ended(long first, long last) {
        tell("%s lacks the steps %d to %d, which could not be written", file, first, last);
    }

    static void tell(String format, Object... values) {
        String line = String.format(Locale.ROOT, format, values);
        LOG.warn("{}", line);
        System.err.println("kindling: " + line);
    }
}
