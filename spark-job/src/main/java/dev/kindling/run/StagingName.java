package dev.kindling.run;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The hidden name under which results are written, which says whose they are: {@code .NAME.PID-START@HOST.ID}. What a
 * killed process has left can be told by it from what is being written.
 *
 * @param process id of the process on {@code host}
 * @param startMillis when that began, since 1970; 0 where the system does not say
 */
record StagingName(long process, long startMillis, String host) {
    private static final Pattern SUFFIX = Pattern.compile("(\\d+)-(\\d+)@(.+)\\.[0-9a-f-]{36}");

    private static StagingName ofThisProcess() {
        ProcessHandle own = ProcessHandle.current();
        return new StagingName(own.pid(), startMillis(own), hostName());
    }

    /** A new name for results of {@code name}. */
    static String fresh(String name) {
        StagingName own = ofThisProcess();
        return String.format(
                Locale.ROOT, ".%s.%d-%d@%s.%s", name, own.process, own.startMillis, own.host, UUID.randomUUID());
    }

    /** Whose {@code entry} is, if it is such a name for results of {@code name}. */
    static Optional<StagingName> parse(String entry, String name) {
        String prefix = "." + name + ".";
        Matcher suffix = SUFFIX.matcher(entry.startsWith(prefix) ? entry.substring(prefix.length()) : "");
        return suffix.matches()
                ? Optional.of(new StagingName(
                        Long.parseLong(suffix.group(1)), Long.parseLong(suffix.group(2)), suffix.group(3)))
                : Optional.empty();
    }

    boolean isOfThisHost() {
        return host.equals(hostName());
    }

    /** Whether its process has ended, which is known on its own host alone. */
    boolean isGone() {
        return isOfThisHost()
                && ProcessHandle.of(process)
                        .filter(found -> startMillis(found) == startMillis)
                        .isEmpty();
    }

    private static long startMillis(ProcessHandle process) {
        return process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
    }

    /** The name of this host, as it knows itself. */
    static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) { // a host that does not know itself
            return "unknown-host"; // part of the names of folders
        }
    }
}
