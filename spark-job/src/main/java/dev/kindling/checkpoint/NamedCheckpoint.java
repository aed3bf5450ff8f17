package dev.kindling.checkpoint;

import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A checkpoint directory that a user has named, by itself or by its run.
 *
 * @param choice which one of the run it is and why, for people; empty where the user has named it by itself
 */
public record NamedCheckpoint(Path directory, Optional<String> choice) {
    /**
     * The checkpoint directory that {@code path} means: itself, or one of a run directory's committed ones. Where nothing
     * says which of a run's is the best one, {@code BEST} takes the newest, and the choice says so.
     *
     * @throws CheckpointException when it is neither
     */
    public static NamedCheckpoint of(Path path, WhichCheckpoint which, Configuration hadoop) throws IOException {
        Storage storage = Storage.of(path, hadoop);
        if (!storage.files().exists(path)) {
            throw new PathException(path + " does not exist; give a run directory or a checkpoint directory");
        }
        if (storage.files().exists(new Path(path, CheckpointFiles.STATE))) {
            return new NamedCheckpoint(path, Optional.empty());
        }
        for (Path candidate : List.of(new Path(path, "checkpoints"), path)) {
            CheckpointStore store = new CheckpointStore(storage, candidate, 1);
            Optional<Path> latest = store.latest();
            if (latest.isPresent()) {
                return choose(store, latest.get(), which);
            }
        }
        throw new PathException(
                path + " holds no committed checkpoint; give a run directory or a checkpoint directory");
    }

    private static NamedCheckpoint choose(CheckpointStore store, Path latest, WhichCheckpoint which)
            throws IOException {
        if (which == WhichCheckpoint.LATEST) {
            return new NamedCheckpoint(
                    latest, Optional.of("checkpoint " + latest.getName() + ", the newest of the run"));
        }
        Optional<Path> best = store.best(latest);
        if (best.isEmpty()) {
            return new NamedCheckpoint(
                    latest,
                    Optional.of("checkpoint " + latest.getName()
                            + ", the newest of the run, as nothing says which one is the best"));
        }
        return new NamedCheckpoint(
                best.get(),
                Optional.of(String.format(
                        Locale.ROOT,
                        "checkpoint %s, the best of the run by its validation loss of %.4f (--which latest takes the"
                                + " newest)",
                        best.get().getName(),
                        store.loadState(latest).bestValLoss().orElseThrow())));
    }
}
