package dev.kindling.checkpoint;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Deletes what a run's checkpoints leave behind. That it cannot is a warning: it is tried again after the next commit. */
final class SurplusCheckpoints {
    private static final Logger LOG = LoggerFactory.getLogger(SurplusCheckpoints.class);

    private final Storage storage;
    private final CheckpointStore store;
    private final int keep;
    private boolean told;

    /** @param keep how many committed checkpoints stay */
    SurplusCheckpoints(Storage storage, CheckpointStore store, int keep) {
        this.storage = storage;
        this.store = store;
        this.keep = keep;
    }

    /** Deletes all but the newest checkpoints up to {@code step} and the best one, and what was never committed. */
    void delete(long step) {
        try {
            for (Path path : surplus(step)) {
                delete(path);
            }
        } catch (IOException | StoreException e) {
            tell("could not look for surplus checkpoints", e);
        }
    }

    /** Checkpoints newer than {@code step}, left by a run that went back behind damaged ones, go first. */
    private List<Path> surplus(long step) throws IOException {
        List<Path> all = store.list();
        Stream<Path> older = all.stream().filter(path -> CheckpointStore.step(path) <= step);
        Stream<Path> newer = all.stream().filter(path -> CheckpointStore.step(path) > step);
        long best = store.loadState(store.committed(step)).bestStep().orElse(-1);
        List<Path> surplus = new ArrayList<>(Stream.concat(older, newer)
                .skip(keep)
                .filter(path -> CheckpointStore.step(path) != best)
                .toList());
        for (FileStatus status : store.statuses()) {
            Path path = status.getPath();
            boolean unfinished = CheckpointStore.step(path) >= 0 && !store.isCommitted(path);
            if (unfinished || CheckpointStore.isPassing(path)) {
                surplus.add(path);
            }
        }
        return surplus;
    }

    private void delete(Path surplus) {
        try {
            storage.deleteAtOnce(new Path(surplus, CheckpointFiles.STATE)); // no reader takes what is left
            storage.deleteAtOnce(surplus);
        } catch (IOException e) {
            tell("could not delete " + surplus + ", which is not needed any more", e);
        }
    }

    /** In the log each time, on the console once. */
    private void tell(String what, Exception cause) {
        String line = what + " (" + DataException.reason(cause) + "); it is tried again at the next checkpoint";
        LOG.warn("{}", line);
        if (!told) {
            told = true;
            System.err.println("kindling: " + line);
        }
    }
}
