package dev.kindling.train.checkpoint;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.RescuedCheckpoints;
import java.io.IOException;
import java.util.Collections;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a rank does when its driver is gone and its process is about to end. All ranks tell each other, in the folder of the
 * checkpoints, which step they hold; the one with the newest, of several the lowest, writes it there. Only a driver that owns
 * the run makes it a checkpoint.
 *
 * @param committed the step of the newest checkpoint, which need not be written
 */
public record Rescue(
        RescuedCheckpoints checkpoints,
        RescuedCheckpoints.Ownership ownership,
        Committed committed,
        int rank,
        int ranks) {
    private static final Logger LOG = LoggerFactory.getLogger(Rescue.class);
    /** How long to wait for what the others hold, and as many milliseconds more as there are ranks. */
    private static final long ELECTION_MILLIS = 1_500;

    private static final long POLL_MILLIS = 10;

    /** The step of the newest checkpoint; 0 without one. */
    public interface Committed {
        long step() throws IOException;
    }

    /** Makes what is to be written, when it is known that it is. */
    public interface Source {
        Checkpoint checkpoint(long committed) throws IOException;
    }

    /**
     * Writes what this rank holds, if it is the one to do so.
     *
     * @param step the number of steps done; 0 where it holds nothing that could be written
     */
    public void run(long step, Source source) throws IOException, InterruptedException {
        checkpoints.announce(rank, step);
        try {
            Optional<String> whyNot = whyNot(step);
            if (whyNot.isPresent()) {
                LOG.info("rank {} saves nothing: {}", rank, whyNot.get());
                return;
            }
            Optional<Path> written = checkpoints.write(source.checkpoint(committed.step()), rank, ownership);
            LOG.warn(
                    "rank {}: {}",
                    rank,
                    written.map(path -> "step " + step + " is saved in " + path + "; --resume goes on from it")
                            .orElse("another training owns the run, so step " + step + " is not saved"));
        } finally {
            checkpoints.retract(rank, step);
        }
    }

    private Optional<String> whyNot(long step) throws IOException, InterruptedException {
        Map<Integer, Long> held = everyone(step);
        long newest = Collections.max(held.values());
        int chosen = held.entrySet().stream()
                .filter(each -> each.getValue() == newest)
                .mapToInt(Map.Entry::getKey)
                .min()
                .orElseThrow();
        if (newest == 0) {
            return Optional.of("no rank holds a whole state; the last checkpoint remains");
        }
        if (chosen != rank) {
            return Optional.of(String.format(Locale.ROOT, "rank %d saves step %d", chosen, newest));
        }
        return newest <= committed.step() ? Optional.of("step " + newest + " is in a checkpoint") : Optional.empty();
    }

    /** What the ranks hold, as far as they say so in time; what has been said stays. */
    private Map<Integer, Long> everyone(long own) throws IOException, InterruptedException {
        Map<Integer, Long> held = new TreeMap<>(Map.of(rank, own));
        long end = System.nanoTime() + (ELECTION_MILLIS + ranks) * 1_000_000L;
        while (held.size() < ranks && System.nanoTime() - end < 0) {
            Thread.sleep(Math.max(POLL_MILLIS, ranks));
            held.putAll(checkpoints.announced());
        }
        return held;
    }
}
