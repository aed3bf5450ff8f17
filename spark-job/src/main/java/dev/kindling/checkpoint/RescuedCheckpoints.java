package dev.kindling.checkpoint;

import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Checkpoints that ranks have written by themselves since their driver was gone: {@code
 * checkpoints/.rescued-step-0000257-rank-0/}, whole if it holds {@code state.json}; where a state is divided over the ranks,
 * one of each rank. They are no checkpoints until a driver that owns the run commits them, so there never are two writers of
 * those. Beside them stand, for as long as ranks are at it, the files of {@link SavingRanks} and the empty folders by which
 * they tell each other what they hold, {@code .rescuing-step-0000257-rank-0/}.
 */
public final class RescuedCheckpoints {
    private static final Logger LOG = LoggerFactory.getLogger(RescuedCheckpoints.class);
    private static final String RESCUED = ".rescued-";
    static final String RESCUING = ".rescuing-";
    private static final Pattern NAME = Pattern.compile("\\.rescu(?:ed|ing)-step-(\\d+)-rank-(\\d+)");

    /** Whether the training that writes still owns the run. */
    public interface Ownership {
        boolean lasts() throws IOException;
    }

    /**
     * One of the ranks that save a state.
     *
     * @param training of all of them
     */
    public record Writer(String training, int rank, int ranks) {}

    private final Storage storage;
    private final CheckpointStore store;
    private final CheckpointFiles files;

    RescuedCheckpoints(Storage storage, CheckpointStore store) {
        this.storage = storage;
        this.store = store;
        this.files = new CheckpointFiles(storage);
    }

    /** Whether a directory of the store is one of these. */
    static boolean isOne(Path directory) {
        return Stream.of(RESCUED, RESCUING, SavingRanks.PROBE)
                .anyMatch(prefix -> directory.getName().startsWith(prefix));
    }

    private Path path(String prefix, long step, int rank) {
        return new Path(
                store.committed(step).getParent(),
                String.format(Locale.ROOT, "%sstep-%07d-rank-%d", prefix, step, rank));
    }

    /** The ranks that are at it. */
    public SavingRanks ranks() {
        return new SavingRanks(storage, store.committed(0).getParent());
    }

    /** Tells the other ranks that this one holds a step; 0 for none. */
    public void announce(int rank, long step) throws IOException {
        storage.files().mkdirs(path(RESCUING, step, rank));
    }

    /** The rank is done, whatever it did. */
    public void retract(int rank, long step) throws IOException {
        storage.files().delete(path(RESCUING, step, rank), true);
    }

    /** What ranks have announced and not retracted, or have written of {@code step}: the step by rank. */
    public Map<Integer, Long> announced(long step) throws IOException {
        Map<Integer, Long> steps = new TreeMap<>();
        for (FileStatus status : store.statuses()) {
            Matcher name = NAME.matcher(status.getPath().getName());
            if (name.matches() && (isAnnouncement(status.getPath()) || step(status.getPath()) == step)) {
                steps.put(Integer.parseInt(name.group(2)), Long.parseLong(name.group(1)));
            }
        }
        return steps;
    }

    private static boolean isAnnouncement(Path path) {
        return path.getName().startsWith(RESCUING);
    }

    /**
     * Writes one, for the next driver.
     *
     * @param shapes of the whole weights by name, where the checkpoint's tensors are pieces of them, see {@link
     *     #nameOfPiece}; empty for a whole checkpoint
     * @param ownership asked before it becomes whole; without it nothing is left
     * @return where it is; empty if another training owns the run
     */
    public Optional<Path> write(
            Checkpoint checkpoint, Map<String, List<Long>> shapes, Writer writer, Ownership ownership)
            throws IOException {
        Path path = path(RESCUED, checkpoint.state().step(), writer.rank);
        Optional<CheckpointPart> part = shapes.isEmpty()
                ? Optional.empty()
                : Optional.of(new CheckpointPart(writer.training, writer.rank, writer.ranks, shapes));
        try {
            storage.files().mkdirs(path);
            if (files.write(new CheckpointFiles.Place(path, path), checkpoint, part, ownership::lasts)) {
                return Optional.of(path);
            }
            storage.files().delete(path, true);
            return Optional.empty();
        } catch (IOException | RuntimeException | Error e) {
            storage.deleteQuietly(path, e);
            throw e;
        }
    }

    /** What a checkpoint of pieces calls those elements of a tensor that begin at {@code first}. */
    public static String nameOfPiece(String tensor, long first) {
        return CheckpointPart.piece(tensor, first);
    }

    /** The newest step that a rank has written; 0 without one. */
    public long newestStep() throws IOException {
        long newest = 0;
        for (Path path : all(RESCUED)) {
            newest = Math.max(newest, store.isCommitted(path) ? step(path) : 0);
        }
        return newest;
    }

    /** The newest that is whole and sound, if it is of a later step than {@code committed}. */
    Optional<Rescued> newest(long committed) throws IOException {
        for (List<Path> together : whole(committed)) {
            try {
                return Optional.of(sound(together));
            } catch (CheckpointException e) {
                LOG.warn("passed over {}: {}", together, e.getMessage());
            }
        }
        return Optional.empty();
    }

    private Rescued sound(List<Path> directories) throws IOException {
        List<CheckpointState> states = new ArrayList<>();
        for (Path directory : directories) {
            states.add(files.verify(directory));
        }
        Optional<CheckpointPart> part = files.part(directories.get(0));
        return new Rescued(
                directories.get(0),
                states.get(0),
                part.isPresent()
                        ? Optional.of(JoinedParts.of(
                                storage, directories, states.get(0), part.get().shapes()))
                        : Optional.empty());
    }

    /**
     * A checkpoint that waits for its commit.
     *
     * @param directory of the whole, or of the first part
     * @param joined what all parts make up; empty where there are none
     */
    record Rescued(Path directory, CheckpointState state, Optional<Checkpoint> joined) {}

    /** Directories that make up a checkpoint together, one or the parts of all ranks by rank; the newest ones first. */
    private List<List<Path>> whole(long committed) throws IOException {
        List<List<Path>> whole = new ArrayList<>();
        Map<String, SortedMap<Integer, Path>> parts = new HashMap<>();
        for (Path path : all(RESCUED)) {
            if (step(path) <= committed || !store.isCommitted(path)) {
                continue;
            }
            try {
                Optional<CheckpointPart> part = files.part(path);
                if (part.isEmpty()) {
                    whole.add(List.of(path));
                    continue;
                }
                SortedMap<Integer, Path> others =
                        parts.computeIfAbsent(step(path) + " " + part.get().training(), key -> new TreeMap<>());
                others.put(part.get().rank(), path);
                if (others.size() == part.get().ranks()) {
                    whole.add(List.copyOf(others.values()));
                }
            } catch (CheckpointException e) {
                LOG.warn("passed over {}: {}", path, e.getMessage());
            }
        }
        whole.sort(Comparator.<List<Path>>comparingLong(paths -> step(paths.get(0)))
                .reversed());
        return whole;
    }

    /**
     * Deletes what ranks have left that were killed while they were at it: they would be taken for ranks that hold something.
     * For the owner of the run, after
     * {@link SavingRanks#await}.
     */
    public void sweep() throws IOException {
        for (FileStatus status : store.statuses()) {
            Path path = status.getPath();
            if (isOne(path) && !store.isCommitted(path)) {
                storage.deleteAtOnce(path);
            }
        }
    }

    private List<Path> all(String prefix) throws IOException {
        return Stream.of(store.statuses())
                .map(FileStatus::getPath)
                .filter(path -> path.getName().startsWith(prefix))
                .toList();
    }

    private static long step(Path path) {
        Matcher name = NAME.matcher(path.getName());
        return name.matches() ? Long.parseLong(name.group(1)) : -1;
    }
}
