package dev.kindling.checkpoint;

import dev.kindling.interop.SafeTensorsHeader;
import dev.kindling.interop.TensorContent;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/** The parts of one state, see {@link CheckpointPart}, as the whole checkpoint: tensors are read where their pieces lie. */
final class JoinedParts {
    /** Where a piece is. */
    private record Piece(Path file, long dataStart, SafeTensorsHeader.Entry entry) {}

    private final Storage storage;
    /** By the tensor's name and the piece's first element. */
    private final Map<String, SortedMap<Long, Piece>> pieces = new HashMap<>();

    private JoinedParts(Storage storage) {
        this.storage = storage;
    }

    /**
     * Reads the headers alone.
     *
     * @param directories of the parts of all ranks, which have been verified
     * @param shapes of the whole weights by name
     * @throws CheckpointException if the pieces do not make up the tensors
     */
    static Checkpoint of(Storage storage, List<Path> directories, CheckpointState state, Map<String, List<Long>> shapes)
            throws IOException {
        JoinedParts joined = new JoinedParts(storage);
        for (Path directory : directories) {
            for (String file : CheckpointFiles.ALL) {
                joined.add(new Path(directory, file));
            }
        }
        Map<String, TensorContent> model = new LinkedHashMap<>();
        Map<String, TensorContent> moments = new LinkedHashMap<>();
        for (Map.Entry<String, List<Long>> weight : shapes.entrySet()) {
            model.put(weight.getKey(), joined.tensor(weight.getKey(), weight.getValue()));
            for (String moment : List.of("m.", "v.")) {
                moments.put(moment + weight.getKey(), joined.tensor(moment + weight.getKey(), weight.getValue()));
            }
        }
        return new Checkpoint(state, model, moments);
    }

    private void add(Path file) throws IOException {
        try (FSDataInputStream in = storage.files().open(file)) {
            long bytes = storage.files().getFileStatus(file).getLen();
            SafeTensorsHeader header = SafeTensorsHeader.read(in, bytes, file.toString());
            for (SafeTensorsHeader.Entry entry : header.tensors()) {
                pieces.computeIfAbsent(CheckpointPart.tensor(entry.name()), name -> new TreeMap<>())
                        .put(CheckpointPart.first(entry.name()), new Piece(file, header.dataStart(), entry));
            }
        }
    }

    private TensorContent tensor(String name, List<Long> shape) throws CheckpointException {
        SortedMap<Long, Piece> inOrder = pieces.getOrDefault(name, new TreeMap<>());
        TensorContent whole = new TensorContent(shape, sink -> {
            for (Piece piece : inOrder.values()) {
                copy(piece, sink);
            }
        });
        long next = 0;
        for (Map.Entry<Long, Piece> piece : inOrder.entrySet()) {
            next = piece.getKey() == next ? next + piece.getValue().entry().count() : -1;
        }
        if (next != whole.count()) {
            throw new CheckpointException("the parts that ranks have saved do not make up the tensor " + name
                    + "; the checkpoint before remains");
        }
        return whole;
    }

    private void copy(Piece piece, TensorContent.Sink sink) throws IOException {
        try (FSDataInputStream in = storage.files().open(piece.file())) {
            in.seek(piece.dataStart() + piece.entry().begin());
            SafeTensors.copy(in, piece.entry(), piece.file().toString(), sink);
        }
    }
}
