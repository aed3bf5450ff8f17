package dev.kindling.checkpoint;

import dev.kindling.data.StoreException;
import dev.kindling.interop.CheckpointFormat;
import dev.kindling.interop.ModelFileException;
import dev.kindling.storage.NoSpaceException;
import dev.kindling.storage.Retry;
import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of a run: {@code checkpoints/step-0000250/} on any Hadoop FileSystem. {@code state.json}, which appears
 * last, is what makes such a directory a checkpoint. It is staged under another name, forced to disk, and committed by a
 * rename; in a store of objects, where that would copy it, the tensors are written to their place and {@code state.json}
 * alone is staged. Only then are older ones deleted. One writer at a time, any number of readers.
 */
public final class CheckpointStore {
    private static final Logger LOG = LoggerFactory.getLogger(CheckpointStore.class);
    private static final String STAGED = ".staged-";
    private static final String REPLACED = ".replaced-";

    private final Storage storage;
    private final Path directory;
    private final CheckpointFiles files;
    private final SurplusCheckpoints surplus;

    /**
     * @param directory the run directory's {@code checkpoints}
     * @param keep how many committed checkpoints {@link #commit} leaves, 1 or more
     */
    public CheckpointStore(Storage storage, Path directory, int keep) {
        if (keep < 1) {
            throw new IllegalArgumentException("keep is " + keep + "; a store keeps one checkpoint or more");
        }
        this.storage = storage;
        this.directory = directory;
        this.files = new CheckpointFiles(storage);
        this.surplus = new SurplusCheckpoints(storage, this, keep);
    }

    /**
     * Writes a checkpoint where no reader looks at it. If that fails, for example because the disk is full, nothing of it
     * is left.
     *
     * @return the staged directory, for {@link #commit}
     * @throws CheckpointException where no other attempt would fare better: no space, no permission
     * @throws StoreException where the store has failed for longer than it is waited for
     */
    public Path stage(Checkpoint checkpoint) throws IOException {
        long step = checkpoint.state().step();
        Path staged = new Path(directory, STAGED + name(step) + "-" + UUID.randomUUID());
        Path tensors = storage.isObjectStore() ? committed(step) : staged;
        try {
            storage.files().mkdirs(staged);
            if (storage.isObjectStore()) { // of this step, left by a run that went back behind it
                storage.files().delete(new Path(tensors, CheckpointFiles.STATE), false);
            }
            files.write(new CheckpointFiles.Place(tensors, staged), checkpoint);
            return staged;
        } catch (IOException | RuntimeException | Error e) {
            storage.deleteQuietly(staged, e);
            storage.deleteQuietly(tensors, e);
            if (e instanceof IOException failure && !(e instanceof ModelFileException)) { // whose source is bad
                throw unwritten(step, failure);
            }
            throw e;
        }
    }

    private IOException unwritten(long step, IOException failure) {
        String what = "could not write checkpoint " + name(step) + " in " + directory + ": " + failure.getMessage();
        if (failure instanceof NoSpaceException) {
            return new CheckpointException(what, failure);
        }
        return Retry.isDenied(failure)
                ? new CheckpointException(what + "; fix permissions there, then run again with --resume", failure)
                : new IOException(what, failure);
    }

    /**
     * Commits a staged checkpoint as the one of its step, replacing an earlier one of the same step. Then deletes all
     * but the newest {@code keep} up to that step and the {@link #best} one, and everything that was staged and never
     * committed; what cannot be deleted stays, with a warning.
     *
     * @return the committed directory
     */
    public Path commit(Path staged, long step) throws IOException {
        Path committed = committed(step);
        if (storage.isObjectStore() && !RescuedCheckpoints.isOne(staged)) {
            String state = storage.read(new Path(staged, CheckpointFiles.STATE));
            storage.write(new Path(committed, CheckpointFiles.STATE), state);
        } else {
            if (storage.files().exists(committed)) { // a rename onto a directory would move into it
                storage.rename(committed, new Path(directory, REPLACED + name(step) + "-" + UUID.randomUUID()));
            }
            storage.rename(staged, committed);
        }
        surplus.delete(step);
        return committed;
    }

    /** Writes and commits a checkpoint. */
    public Path save(Checkpoint checkpoint) throws IOException {
        return commit(stage(checkpoint), checkpoint.state().step());
    }

    /** Committed checkpoints, newest first. */
    public List<Path> list() throws IOException {
        List<Path> committed = new ArrayList<>();
        for (FileStatus status : statuses()) {
            if (step(status.getPath()) >= 0 && isCommitted(status.getPath())) {
                committed.add(status.getPath());
            }
        }
        committed.sort(Comparator.comparingLong(CheckpointStore::step).reversed());
        return committed;
    }

    boolean isCommitted(Path checkpoint) throws IOException {
        return storage.files().exists(new Path(checkpoint, CheckpointFiles.STATE));
    }

    /** Whether a directory was staged, or put aside, for a commit, by whomever. */
    static boolean isPassing(Path directory) {
        return directory.getName().startsWith(STAGED)
                || directory.getName().startsWith(REPLACED)
                || RescuedCheckpoints.isOne(directory);
    }

    /** Where the checkpoint of a step is once it is committed. */
    public Path committed(long step) {
        return new Path(directory, name(step));
    }

    /** The checkpoint of step 0, where training begins with weights that it has taken over. */
    public Optional<Path> beginning() throws IOException {
        Path beginning = committed(0);
        return isCommitted(beginning) ? Optional.of(beginning) : Optional.empty();
    }

    /**
     * The committed checkpoint with the lowest validation loss of the run, by what the newest one says that can be read;
     * empty where that does not say it, or where the best one is gone.
     */
    public Optional<Path> best() throws IOException {
        for (Path path : list()) {
            OptionalLong step;
            try {
                step = loadState(path).bestStep();
            } catch (CheckpointException e) {
                LOG.warn("passed over {}: {}", path, e.getMessage());
                continue;
            }
            return step.isPresent() && isCommitted(committed(step.getAsLong()))
                    ? Optional.of(committed(step.getAsLong()))
                    : Optional.empty();
        }
        return Optional.empty();
    }

    /**
     * The newest committed checkpoint that passes every check, and those that were passed over on the way.
     *
     * @param found its state; empty when there is none
     * @param skipped one line each: which, and what is wrong with it
     */
    public record Recovery(Optional<CheckpointState> found, List<String> skipped) {}

    /** What ranks have written without a driver. */
    public RescuedCheckpoints rescued() {
        return new RescuedCheckpoints(storage, this);
    }

    /**
     * Commits the newest that ranks have written without a driver, if it is newer than every other.
     *
     * @return its step
     */
    public OptionalLong commitRescued() throws IOException {
        Optional<RescuedCheckpoints.Rescued> newest = rescued().newest(newestStep());
        if (newest.isEmpty()) {
            return OptionalLong.empty();
        }
        RescuedCheckpoints.Rescued found = newest.get();
        long step = found.state().step();
        if (found.joined().isPresent()) {
            save(found.joined().get());
        } else {
            commit(found.directory(), step);
        }
        return OptionalLong.of(step);
    }

    /** The step of the newest committed one, whole or not; 0 without one. */
    public long newestStep() throws IOException {
        return list().stream().mapToLong(CheckpointStore::step).max().orElse(0);
    }

    /** As {@link #latestValid}, and of what ranks have written without a driver, which is yet to be committed. */
    public Recovery latestValidOrRescued() throws IOException {
        Recovery committed = latestValid();
        long step = committed.found().map(CheckpointState::step).orElse(0L);
        return rescued()
                .newest(step)
                .map(newer -> new Recovery(Optional.of(newer.state()), committed.skipped()))
                .orElse(committed);
    }

    /** Finds the newest valid checkpoint. Reads the files to check them, without holding their tensors in memory. */
    public Recovery latestValid() throws IOException {
        List<String> skipped = new ArrayList<>();
        for (Path path : list()) {
            try {
                return new Recovery(Optional.of(sameStep(path, files.verify(path))), List.copyOf(skipped));
            } catch (CheckpointException e) {
                skipped.add("skipped " + path.getName() + ": " + e.getMessage());
            }
        }
        return new Recovery(Optional.empty(), List.copyOf(skipped));
    }

    /**
     * Loads a committed checkpoint, a piece at a time, verifying every length and checksum.
     *
     * @param target takes the tensors; they are those of the checkpoint only when this returns
     * @return what is not a tensor
     * @throws CheckpointException when a file is missing, truncated, altered or of another version
     */
    public CheckpointState load(Path committed, TensorTarget target) throws IOException {
        return sameStep(committed, files.read(committed, CheckpointFiles.ALL, target));
    }

    /** Like {@link #load}, without the optimizer's moments: what sampling and evaluation need. */
    public CheckpointState loadModel(Path committed, TensorTarget target) throws IOException {
        return sameStep(committed, files.read(committed, List.of(CheckpointFiles.MODEL), target));
    }

    /**
     * The state of the committed checkpoint of the step of {@code snapshot}, if the checksums of the tensors of {@code
     * snapshot} say that these are to the bit what was committed; empty if not. Reads no tensor from disk.
     */
    public Optional<CheckpointState> committedAs(Checkpoint snapshot) throws IOException {
        return files.same(committed(snapshot.state().step()), snapshot);
    }

    /** The state of a committed checkpoint, after every byte of state and model has been verified. */
    public CheckpointState verifyModel(Path committed) throws IOException {
        return sameStep(committed, files.verify(committed, List.of(CheckpointFiles.MODEL)));
    }

    /** The state of a committed checkpoint, without its tensors. */
    public CheckpointState loadState(Path committed) throws IOException {
        return files.readStateAlone(committed);
    }

    /** The store that holds a checkpoint directory, for reading it. */
    public static CheckpointStore around(Path committed, Configuration hadoop) throws IOException {
        return new CheckpointStore(Storage.of(committed, hadoop), committed.getParent(), 1);
    }

    private static CheckpointState sameStep(Path path, CheckpointState state) throws CheckpointException {
        OptionalLong named = CheckpointFormat.step(path.getName());
        if (named.isPresent() && named.getAsLong() != state.step()) {
            throw new CheckpointException(path + " holds step " + state.step()
                    + ", not the step of its name; rename it back or use another checkpoint");
        }
        return state;
    }

    /** All that is in the directory. */
    FileStatus[] statuses() throws IOException {
        try {
            return storage.files().listStatus(directory);
        } catch (FileNotFoundException e) {
            return new FileStatus[0];
        }
    }

    /** The step of a checkpoint's directory; -1 of any other. */
    static long step(Path committed) {
        return CheckpointFormat.step(committed.getName()).orElse(-1);
    }

    private static String name(long step) {
        return CheckpointFormat.directory(step);
    }
}
