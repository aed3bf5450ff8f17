package dev.kindling.checkpoint;

import dev.kindling.interop.CheckpointFormat;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.TensorContent;
import dev.kindling.storage.NoSpaceException;
import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;

/**
 * The checkpoints of a run: {@code checkpoints/step-0000250/} on any Hadoop FileSystem. A checkpoint is staged in a
 * directory of another name, forced to disk, and committed by a rename; only then are older ones deleted. One writer at
 * a time, any number of readers.
 */
public final class CheckpointStore {
    private static final String STAGED = ".staged-";
    private static final String REPLACED = ".replaced-";

    private final Storage storage;
    private final Path directory;
    private final int keep;
    private final CheckpointFiles files;

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
        this.keep = keep;
        this.files = new CheckpointFiles(storage);
    }

    /**
     * Writes a checkpoint to a directory that no reader looks at. If that fails, for example because the disk is full,
     * nothing of it is left.
     *
     * @return the staged directory, for {@link #commit}
     */
    public Path stage(Checkpoint checkpoint) throws IOException {
        return stage(checkpoint.state().step(), staged -> files.write(staged, checkpoint));
    }

    /**
     * Writes and commits a checkpoint of weights alone, which stream: what a training begins from, with a fresh
     * optimizer.
     *
     * @param model weights by their names in a {@link Checkpoint}
     */
    public Path save(CheckpointState state, Map<String, TensorContent> model) throws IOException {
        return commit(stage(state.step(), staged -> files.write(staged, state, model)), state.step());
    }

    private interface Writing {
        void writeTo(Path staged) throws IOException;
    }

    private Path stage(long step, Writing writing) throws IOException {
        Path staged = new Path(directory, STAGED + name(step) + "-" + UUID.randomUUID());
        try {
            storage.files().mkdirs(staged);
            writing.writeTo(staged);
            return staged;
        } catch (ModelFileException e) { // what is read is bad, not where it goes
            storage.deleteQuietly(staged, e);
            throw e;
        } catch (IOException | RuntimeException e) {
            storage.deleteQuietly(staged, e);
            String remedy =
                    e instanceof NoSpaceException ? "" : "; fix permissions there, then run again with --resume";
            throw new CheckpointException(
                    "could not write checkpoint " + name(step) + " in " + directory + ": " + e.getMessage() + remedy,
                    e);
        } catch (Error e) { // out of memory
            storage.deleteQuietly(staged, e);
            throw e;
        }
    }

    /**
     * Commits a staged checkpoint as the one of its step, replacing an earlier one of the same step. Then deletes all
     * but the newest {@code keep} up to that step and the {@link #best} one, and everything that was staged and never
     * committed.
     *
     * @return the committed directory
     */
    public Path commit(Path staged, long step) throws IOException {
        Path committed = committed(step);
        if (storage.files().exists(committed)) { // a rename onto a directory would move into it
            storage.rename(committed, new Path(directory, REPLACED + name(step) + "-" + UUID.randomUUID()));
        }
        storage.rename(staged, committed);
        long best = loadState(committed).bestStep().orElse(-1);
        for (Path surplus : surplus(step)) {
            if (step(surplus) != best) {
                storage.files().delete(surplus, true);
            }
        }
        for (FileStatus status : statuses()) {
            String name = status.getPath().getName();
            if (name.startsWith(STAGED) || name.startsWith(REPLACED)) {
                storage.files().delete(status.getPath(), true);
            }
        }
        return committed;
    }

    /** Committed checkpoints, newest first. */
    public List<Path> list() throws IOException {
        return Stream.of(statuses())
                .filter(FileStatus::isDirectory)
                .map(FileStatus::getPath)
                .filter(path -> CheckpointFormat.step(path.getName()).isPresent())
                .sorted(Comparator.comparingLong(CheckpointStore::step).reversed())
                .toList();
    }

    /** Where the checkpoint of a step is once it is committed. */
    public Path committed(long step) {
        return new Path(directory, name(step));
    }

    /** The checkpoint of step 0, where training begins with weights that it has taken over. */
    public Optional<Path> beginning() throws IOException {
        Path beginning = committed(0);
        return storage.files().exists(beginning) ? Optional.of(beginning) : Optional.empty();
    }

    /** The newest committed checkpoint. */
    public Optional<Path> latest() throws IOException {
        return list().stream().findFirst();
    }

    /**
     * The committed checkpoint with the lowest validation loss of the run, by what the newest one says; empty where that
     * does not say it, or where the best one is gone.
     */
    public Optional<Path> best() throws IOException {
        Optional<Path> latest = latest();
        return latest.isPresent() ? best(latest.get()) : Optional.empty();
    }

    Optional<Path> best(Path of) throws IOException {
        OptionalLong step = loadState(of).bestStep();
        if (step.isEmpty()) {
            return Optional.empty();
        }
        Path best = committed(step.getAsLong());
        return storage.files().exists(best) ? Optional.of(best) : Optional.empty();
    }

    /**
     * The newest committed checkpoint that passes every check, and those that were passed over on the way.
     *
     * @param found its state; empty when there is none
     * @param skipped one line each: which, and what is wrong with it
     */
    public record Recovery(Optional<CheckpointState> found, List<String> skipped) {}

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
     * Loads a committed checkpoint, verifying every length and checksum.
     *
     * @throws CheckpointException when a file is missing, truncated, altered or of another version
     */
    public Checkpoint load(Path committed) throws IOException {
        Checkpoint checkpoint = files.read(committed);
        sameStep(committed, checkpoint.state());
        return checkpoint;
    }

    /**
     * The committed checkpoint of the step of {@code snapshot}, with the tensors of {@code snapshot}, if their
     * checksums say that these are to the bit what was committed; empty if not. Reads no tensor from disk.
     */
    public Optional<Checkpoint> load(Checkpoint snapshot) throws IOException {
        return files.same(committed(snapshot.state().step()), snapshot);
    }

    /** Like {@link #load}, without the optimizer's moments. */
    public Checkpoint loadModel(Path committed) throws IOException {
        Checkpoint checkpoint = files.readModel(committed);
        sameStep(committed, checkpoint.state());
        return checkpoint;
    }

    /** The state of a committed checkpoint, after every byte of state and model has been verified. */
    public CheckpointState verifyModel(Path committed) throws IOException {
        return sameStep(committed, files.verifyModel(committed));
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

    /**
     * The checkpoints to delete. Those newer than {@code step}, left by a run that went back behind damaged
     * checkpoints, go first.
     */
    private List<Path> surplus(long step) throws IOException {
        List<Path> all = list();
        Stream<Path> older = all.stream().filter(path -> step(path) <= step);
        Stream<Path> newer = all.stream().filter(path -> step(path) > step);
        return Stream.concat(older, newer).skip(keep).toList();
    }

    private FileStatus[] statuses() throws IOException {
        try {
            return storage.files().listStatus(directory);
        } catch (FileNotFoundException e) {
            return new FileStatus[0];
        }
    }

    private static long step(Path committed) {
        return CheckpointFormat.step(committed.getName()).orElse(-1);
    }

    private static String name(long step) {
        return CheckpointFormat.directory(step);
    }
}
