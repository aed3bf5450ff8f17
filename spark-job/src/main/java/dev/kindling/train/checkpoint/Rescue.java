package dev.kindling.train.checkpoint;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.RescuedCheckpoints;
import dev.kindling.coordinate.JobPlace;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a rank does when its driver is gone and its process is about to end. All ranks tell each other, in the folder of the
 * checkpoints, which step they hold. Where each of them has the whole state, the one with the newest, of several the lowest,
 * writes it there; where it is divided over them, every rank writes its part, if all have the same step. Only a driver that
 * owns the run makes it a checkpoint.
 *
 * @param committed the step of the newest checkpoint, which need not be written
 */
public record Rescue(
        RescuedCheckpoints checkpoints,
        RescuedCheckpoints.Ownership ownership,
        Committed committed,
        RescuedCheckpoints.Writer writer)
        implements JobPlace.Notice {
    private static final Logger LOG = LoggerFactory.getLogger(Rescue.class);
    /** How long to wait for what the others hold, and as many milliseconds more as there are ranks. */
    private static final long ELECTION_MILLIS = 1_500;
    /** The same where all are needed, some of which may still be at the end of their step. */
    private static final long ALL_MILLIS = 6_000;

    private static final long POLL_MILLIS = 10;

    /** The step of the newest checkpoint; 0 without one. */
    public interface Committed {
        long step() throws IOException;
    }

    /**
     * What a rank holds.
     *
     * @param step the number of steps done; 0 where nothing of it could be written
     * @param shapes of the whole weights by name, where the rank has pieces of them; else empty
     */
    public record Held(long step, Map<String, List<Long>> shapes) {
        boolean isPart() {
            return !shapes.isEmpty();
        }
    }

    /** Makes what is to be written, when it is known that it is. */
    public interface Source {
        Checkpoint checkpoint(long committed) throws IOException;
    }

    /** Tells a new driver of the run to wait for this rank. */
    @Override
    public JobPlace.Standing give() {
        return new SavingNotice(checkpoints.ranks(), writer.rank());
    }

    /** Writes what this rank holds, if that is to be. */
    public void run(Held held, Source source) throws IOException, InterruptedException {
        checkpoints.announce(writer.rank(), held.step());
        try {
            Optional<String> whyNot = whyNot(held);
            if (whyNot.isPresent()) {
                LOG.info("rank {} saves nothing: {}", writer.rank(), whyNot.get());
                return;
            }
            Optional<Path> written =
                    checkpoints.write(source.checkpoint(committed.step()), held.shapes(), writer, ownership);
            LOG.warn(
                    "rank {}: {}",
                    writer.rank(),
                    written.map(path -> "step " + held.step() + " is saved in " + path + "; --resume goes on from it")
                            .orElse("another training owns the run, so step " + held.step() + " is not saved"));
        } finally {
            checkpoints.retract(writer.rank(), held.step());
        }
    }

    private Optional<String> whyNot(Held held) throws IOException, InterruptedException {
        Map<Integer, Long> steps = everyone(held);
        long newest = Collections.max(steps.values());
        if (newest == 0) {
            return Optional.of("no rank holds a whole state; the last checkpoint remains");
        }
        if (held.isPart()) {
            boolean all =
                    steps.size() == writer.ranks() && Set.copyOf(steps.values()).size() == 1;
            if (!all) {
                return Optional.of(String.format(
                        Locale.ROOT,
                        "the parts of all %d ranks after the same step are needed, and there are those after %s by rank; the last checkpoint remains",
                        writer.ranks(),
                        steps));
            }
        } else {
            int chosen = steps.entrySet().stream()
                    .filter(each -> each.getValue() == newest)
                    .mapToInt(Map.Entry::getKey)
                    .min()
                    .orElseThrow();
            if (chosen != writer.rank()) {
                return Optional.of(String.format(Locale.ROOT, "rank %d saves step %d", chosen, newest));
            }
        }
        return newest <= committed.step() ? Optional.of("step " + newest + " is in a checkpoint") : Optional.empty();
    }

    /** What the ranks hold, as far as they say so in time; what has been said stays. */
    private Map<Integer, Long> everyone(Held own) throws IOException, InterruptedException {
        Map<Integer, Long> steps = new TreeMap<>(Map.of(writer.rank(), own.step()));
        long millis = (own.isPart() ? ALL_MILLIS : ELECTION_MILLIS) + writer.ranks();
        long end = System.nanoTime() + millis * 1_000_000L;
        while (steps.size() < writer.ranks() && System.nanoTime() - end < 0) {
            Thread.sleep(Math.max(POLL_MILLIS, writer.ranks()));
            steps.putAll(checkpoints.announced(own.step()));
        }
        return steps;
    }
}
