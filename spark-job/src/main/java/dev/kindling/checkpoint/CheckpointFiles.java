package dev.kindling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.interop.CheckpointFormat;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.SafeTensorsFile;
import dev.kindling.interop.TensorContent;
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

    void write(Place place, Checkpoint checkpoint) throws IOException {
        write(
                place,
                checkpoint.state(),
                new SafeTensors(checkpoint.model(), METADATA)::writeTo,
                new SafeTensors(checkpoint.optimizer(), METADATA)::writeTo);
    }

    /** Writes weights as they stream, without moments of an optimizer. */
    void write(Place place, CheckpointState state, Map<String, TensorContent> model) throws IOException {
        write(
                place,
                state,
                new SafeTensorsFile(model, METADATA, DType.F32)::writeTo,
                new SafeTensors(Map.of(), METADATA)::writeTo);
    }

    private void write(Place place, CheckpointState state, Storage.Content model, Storage.Content optimizer)
            throws IOException {
        ObjectNode body = state.toJson();
        ObjectNode files = body.putObject("files");
        files.set(MODEL, writeTensors(new Path(place.tensors, MODEL), model));
        files.set(OPTIMIZER, writeTensors(new Path(place.tensors, OPTIMIZER), optimizer));
        byte[] json = CheckpointFormat.write(body);
        storage.create(new Path(place.state, STATE), out -> out.write(json));
    }

    Checkpoint read(Path directory) throws IOException {
        ReadState state = readState(directory);
        return new Checkpoint(
                state.state,
                readTensors(new Path(directory, MODEL), state.files.path(MODEL)),
                readTensors(new Path(directory, OPTIMIZER), state.files.path(OPTIMIZER)));
    }

    /**
     * The checkpoint on disk with the tensors of {@code snapshot}, if those are the files' tensors to the bit, by their
     * checksums; empty if not. Reads no tensor.
     */
    Optional<Checkpoint> same(Path directory, Checkpoint snapshot) throws IOException {
        ReadState state = readState(directory);
        boolean same = checksum(snapshot.model())
                        == state.files.path(MODEL).path("crc32c").asLong(-1)
                && checksum(snapshot.optimizer())
                        == state.files.path(OPTIMIZER).path("crc32c").asLong(-1);
        return same
                ? Optional.of(new Checkpoint(state.state, snapshot.model(), snapshot.optimizer()))
                : Optional.empty();
    }

    private static long checksum(Map<String, TensorSlice> tensors) throws IOException {
        CRC32C crc = new CRC32C();
        new SafeTensors(tensors, METADATA).writeTo(new CheckedOutputStream(OutputStream.nullOutputStream(), crc));
        return crc.getValue();
    }

    /** Reads state and model, without the optimizer's moments: what sampling and evaluation need. */
    Checkpoint readModel(Path directory) throws IOException {
        ReadState state = readState(directory);
        return new Checkpoint(state.state, readTensors(new Path(directory, MODEL), state.files.path(MODEL)), Map.of());
    }

    CheckpointState readStateAlone(Path directory) throws IOException {
        return readState(directory).state;
    }

    /** Checks every length and checksum, without holding any tensor in memory. */
    CheckpointState verify(Path directory) throws IOException {
        return verify(directory, List.of(MODEL, OPTIMIZER));
    }

    /** Checks state and model alone. */
    CheckpointState verifyModel(Path directory) throws IOException {
        return verify(directory, List.of(MODEL));
    }

    private CheckpointState verify(Path directory, List<String> names) throws IOException {
        ReadState state = readState(directory);
        for (String file : names) {
            readChecked(
                    new Path(directory, file),
                    state.files.path(file),
                    (in, bytes) -> in.transferTo(OutputStream.nullOutputStream()));
        }
        return state.state;
    }

    private record ReadState(CheckpointState state, JsonNode files) {}

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
        return new ReadState(CheckpointState.fromJson(body, path.toString()), body.path("files"));
    }

    private ObjectNode writeTensors(Path path, Storage.Content tensors) throws IOException {
        CRC32C crc = new CRC32C();
        storage.create(path, out -> {
            crc.reset(); // of an attempt before
            tensors.writeTo(new CheckedOutputStream(out, crc));
        });
        return JsonNodeFactory.instance
                .objectNode()
                .put("bytes", storage.files().getFileStatus(path).getLen())
                .put("crc32c", crc.getValue());
    }

    private Map<String, TensorSlice> readTensors(Path path, JsonNode recorded) throws IOException {
        return readChecked(path, recorded, (in, bytes) -> SafeTensors.read(in, bytes, path.toString()))
                .tensors();
    }

    private interface Reading<T> {
        T read(InputStream in, long bytes) throws IOException;
    }

    /** Reads a whole file, whose length and checksum must be the recorded ones. */
    private <T> T readChecked(Path path, JsonNode recorded, Reading<T> reading) throws IOException {
        long bytes = length(path);
        if (bytes != recorded.path("bytes").asLong(-1)) {
            throw new CheckpointException(path + " is damaged: it has " + bytes + " bytes, but "
                    + recorded.path("bytes").asText("none") + " were written; use another checkpoint");
        }
        try (InputStream in = storage.files().open(path, BUFFER_BYTES)) {
            CheckedInputStream checked = new CheckedInputStream(in, new CRC32C());
            T read = reading.read(checked, bytes);
            if (checked.getChecksum().getValue() != recorded.path("crc32c").asLong(-1)) {
                throw new CheckpointException(
                        path + " is damaged: its checksum is not the one recorded when it was written;"
                                + " use another checkpoint");
            }
            return read;
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
