package dev.kindling.checkpoint;

import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
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
     * says which of a run's is the best one, {@code BEST} takes the newest, and the choice says so. Damaged ones are passed
     * over, and the choice says that, too.
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
            if (!store.list().isEmpty()) {
                return choose(store, path, which);
            }
        }
        boolean pretrained = storage.files().exists(new Path(path, "config.json"));
        throw new PathException(path
                + (pretrained
                        ? " is a folder of transformers, no run; make one of it by import --from, and give that"
                        : " holds no committed checkpoint; give a run directory or a checkpoint directory"));
    }

    /** The wanted one if it is whole, else the newest that is. */
    private static NamedCheckpoint choose(CheckpointStore store, Path run, WhichCheckpoint which) throws IOException {
        Optional<Path> best = which == WhichCheckpoint.BEST ? store.best() : Optional.empty();
        Set<Path> candidates = new LinkedHashSet<>();
        best.ifPresent(candidates::add);
        candidates.addAll(store.list());
        List<String> skipped = new ArrayList<>();
        for (Path candidate : candidates) {
            try {
                CheckpointState state = store.verifyModel(candidate);
                String why = best.filter(candidate::equals).isPresent()
                        ? ofBest(state)
                        : which == WhichCheckpoint.LATEST || best.isPresent()
                                ? "the newest of the run"
                                : "the newest of the run, as nothing says which one is the best";
                String passed = skipped.isEmpty() ? "" : "; passed over " + String.join("; ", skipped);
                return new NamedCheckpoint(
                        candidate, Optional.of("checkpoint " + candidate.getName() + ", " + why + passed));
            } catch (CheckpointException e) {
                skipped.add(candidate.getName() + ": " + e.getMessage());
            }
        }
        throw new CheckpointException(
                "no checkpoint of " + run + " can be read: " + String.join("; ", skipped) + "; restore one");
    }

    private static String ofBest(CheckpointState state) {
        return String.format(
                Locale.ROOT,
                "the best of the run by its validation loss of %.4f (--which latest takes the newest)",
                state.bestValLoss().orElseThrow());
    }
}
