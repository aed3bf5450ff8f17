package dev.kindling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.interop.CheckpointFormat;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.SafeTensorsFile;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import java.util.zip.CheckedOutputStream;
import org.apache.hadoop.fs.Path;

/**
 * The three files of one checkpoint directory. {@code state.json} is written last and holds the length and CRC32C of
 * the two tensor files and a CRC32C of itself, so that any change to any of them is found.
 */
final class CheckpointFiles {
    static final String MODEL = CheckpointFormat.MODEL;
    static final String OPTIMIZER = "optimizer.safetensors";
    static final String STATE = CheckpointFormat.STATE;
    private static final String PART = "part";

    /** The files with tensors. */
    static final List<String> ALL = List.of(MODEL, OPTIMIZER);

    private static final int BUFFER_BYTES = 1 << 16;
    /** The format tag by which Hugging Face's loaders know row-major weights. */
    private static final Map<String, String> METADATA = Map.of("format", "pt");

    private final Storage storage;

    CheckpointFiles(Storage storage) {
        this.storage = storage;
    }

    /**
     * The directories to write to.
     *
     * @param tensors of the two tensor files
     * @param state of {@code state.json}
     */
    record Place(Path tensors, Path state) {}

    /** Asked before a checkpoint becomes one. */
    interface Condition {
        boolean holds() throws IOException;
    }

    void write(Place place, Checkpoint checkpoint) throws IOException {
        write(place, checkpoint, Optional.empty(), () -> true);
    }

    /**
     * The same; without the condition, {@code state.json} is not written, and false returned.
     *
     * @param part what {@code state.json} says of a checkpoint of pieces
     */
    boolean write(Place place, Checkpoint checkpoint, Optional<CheckpointPart> part, Condition condition)
            throws IOException {
        ObjectNode body = checkpoint.state().toJson();
        part.ifPresent(it -> body.set(PART, it.toJson()));
        ObjectNode files = body.putObject("files");
        files.set(MODEL, writeTensors(new Path(place.tensors, MODEL), model(checkpoint)));
        files.set(OPTIMIZER, writeTensors(new Path(place.tensors, OPTIMIZER), optimizer(checkpoint)));
        byte[] json = CheckpointFormat.write(body);
        boolean holds = condition.holds();
        if (holds) {
            storage.create(new Path(place.state, STATE), out -> out.write(json));
        }
        return holds;
    }

    /** Reads the tensors of some of the files; what a target has taken is valid only when this returns. */
    CheckpointState read(Path directory, List<String> names, TensorTarget target) throws IOException {
        ReadState state = readState(directory);
        for (String file : names) {
            Path path = new Path(directory, file);
            readChecked(
                    path, state.files.path(file), (in, bytes) -> SafeTensors.read(in, bytes, path.toString(), target));
        }
        return state.state;
    }

    /**
     * The state of the checkpoint on disk, if its tensors are those of {@code snapshot} to the bit, by their checksums;
     * empty if not. Reads no tensor.
     */
    Optional<CheckpointState> same(Path directory, Checkpoint snapshot) throws IOException {
        ReadState state = readState(directory);
        boolean same = checksum(model(snapshot))
                        == state.files.path(MODEL).path("crc32c").asLong(-1)
                && checksum(optimizer(snapshot))
                        == state.files.path(OPTIMIZER).path("crc32c").asLong(-1);
        return same ? Optional.of(state.state) : Optional.empty();
    }

    private static long checksum(SafeTensorsFile file) throws IOException {
        CRC32C crc = new CRC32C();
        file.writeTo(new CheckedOutputStream(OutputStream.nullOutputStream(), crc));
        return crc.getValue();
    }

    private static SafeTensorsFile model(Checkpoint checkpoint) {
        return new SafeTensorsFile(checkpoint.model(), METADATA, DType.F32);
    }

    /** Moments that are trained in bf16 lose nothing in it. */
    private static SafeTensorsFile optimizer(Checkpoint checkpoint) {
        return new SafeTensorsFile(
                checkpoint.optimizer(), METADATA, checkpoint.state().moments());
    }

    CheckpointState readStateAlone(Path directory) throws IOException {
        return readState(directory).state;
    }

    /** Checks every length and checksum, without holding any tensor in memory. */
    CheckpointState verify(Path directory) throws IOException {
        return verify(directory, ALL);
    }

    /** Checks some of the files. */
    CheckpointState verify(Path directory, List<String> names) throws IOException {
        ReadState state = readState(directory);
        for (String file : names) {
            readChecked(
                    new Path(directory, file),
                    state.files.path(file),
                    (in, bytes) -> in.transferTo(OutputStream.nullOutputStream()));
        }
        return state.state;
    }

    /** What {@code state.json} says of a checkpoint of pieces; empty for a whole one. */
    Optional<CheckpointPart> part(Path directory) throws IOException {
        JsonNode part = readState(directory).part;
        return part.isMissingNode() ? Optional.empty() : Optional.of(CheckpointPart.fromJson(part));
    }

    private record ReadState(CheckpointState state, JsonNode files, JsonNode part) {}

    private ReadState readState(Path directory) throws IOException {
        Path path = new Path(directory, STATE);
        JsonNode body;
        try {
            body = CheckpointFormat.read(storage.read(path), path.toString());
        } catch (FileNotFoundException e) {
            throw new CheckpointException(
                    directory + " is no committed checkpoint: it holds no " + STATE + "; use another directory", e);
        } catch (ModelFileException e) {
            throw new CheckpointException(e.getMessage(), e);
        }
        return new ReadState(CheckpointState.fromJson(body, path.toString()), body.path("files"), body.path(PART));
    }

    private ObjectNode writeTensors(Path path, SafeTensorsFile file) throws IOException {
        CRC32C crc = new CRC32C();
        storage.create(path, out -> {
            crc.reset(); // of an attempt before
            file.writeTo(new CheckedOutputStream(out, crc));
        });
        return JsonNodeFactory.instance
                .objectNode()
                .put("bytes", storage.files().getFileStatus(path).getLen())
                .put("crc32c", crc.getValue());
    }

    private interface Reading {
        void read(InputStream in, long bytes) throws IOException;
    }

    /** Reads a whole file, whose length and checksum must be the recorded ones. */
    private void readChecked(Path path, JsonNode recorded, Reading reading) throws IOException {
        long bytes = length(path);
        if (bytes != recorded.path("bytes").asLong(-1)) {
            throw new CheckpointException(path + " is damaged: it has " + bytes + " bytes, but "
                    + recorded.path("bytes").asText("none") + " were written; use another checkpoint");
        }
        try (InputStream in = storage.files().open(path, BUFFER_BYTES)) {
            CheckedInputStream checked = new CheckedInputStream(in, new CRC32C());
            reading.read(checked, bytes);
            if (checked.getChecksum().getValue() != recorded.path("crc32c").asLong(-1)) {
                throw new CheckpointException(
                        path + " is damaged: its checksum is not the one recorded when it was written;"
                                + " use another checkpoint");
            }
        }
    }

    private long length(Path path) throws IOException {
        try {
            return storage.files().getFileStatus(path).getLen();
        } catch (FileNotFoundException e) {
            throw new CheckpointException(
                    path.getParent() + " is damaged: it lacks " + path.getName() + "; use another checkpoint", e);
        }
    }
}
