package dev.kindling.model;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.RescuedCheckpoints;
import dev.kindling.checkpoint.TensorTarget;
import dev.kindling.interop.TensorContent;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.AdamW;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Moves weights and moments between flat buffers and the named tensors of a {@link Checkpoint}, a piece at a time: nothing
 * of the model's size is ever on the heap.
 */
public final class ModelWeights {
    /** Floats that are read at a time: 4 MiB. */
    private static final int PIECE = 1 << 20;

    private final Parameters parameters;

    public ModelWeights(Parameters parameters) {
        this.parameters = parameters;
    }

    /** A snapshot as a checkpoint, which reads it but does not hold this model. */
    public Checkpoint checkpoint(CheckpointState state, Snapshot snapshot) {
        Map<String, TensorContent> moments = contents("m.", snapshot.first());
        moments.putAll(contents("v.", snapshot.second()));
        return new Checkpoint(state, contents("", snapshot.weights()), moments);
    }

    private Map<String, TensorContent> contents(String prefix, FlatValues flat) {
        Map<String, TensorContent> contents = new LinkedHashMap<>();
        for (Parameters.Entry entry : parameters.entries()) {
            contents.put(prefix + entry.name(), content(savedShape(entry), entry.offset(), flat));
        }
        return contents;
    }

    /** What lies in some ranges of the flat buffers, of which the snapshot has the values, as a checkpoint of pieces. */
    public Checkpoint pieces(CheckpointState state, Snapshot snapshot, List<Range> ranges) {
        Map<String, TensorContent> moments = pieces("m.", snapshot.first(), ranges);
        moments.putAll(pieces("v.", snapshot.second(), ranges));
        return new Checkpoint(state, pieces("", snapshot.weights(), ranges), moments);
    }

    private Map<String, TensorContent> pieces(String prefix, FlatValues flat, List<Range> ranges) {
        Map<String, TensorContent> pieces = new LinkedHashMap<>();
        for (Parameters.Entry entry : parameters.entries()) {
            Range saved = new Range(entry.offset(), count(savedShape(entry)));
            for (Range range : ranges) {
                Range piece = saved.intersect(range);
                if (piece.length() > 0) {
                    pieces.put(
                            RescuedCheckpoints.nameOfPiece(prefix + entry.name(), piece.offset() - entry.offset()),
                            content(List.of(piece.length()), piece.offset(), flat));
                }
            }
        }
        return pieces;
    }

    /** The shapes of all weights in files, by name. */
    public Map<String, List<Long>> shapes() {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        parameters.entries().forEach(entry -> shapes.put(entry.name(), savedShape(entry)));
        return shapes;
    }

    private static long count(List<Long> shape) {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    private static TensorContent content(List<Long> shape, long offset, FlatValues flat) {
        long count = count(shape);
        return new TensorContent(shape, sink -> {
            FloatBuffer piece = FloatBuffer.allocate((int) Math.min(PIECE, count));
            for (long at = 0; at < count; at += PIECE) {
                piece.clear().limit((int) Math.min(PIECE, count - at));
                flat.read(offset + at, piece);
                sink.take(piece);
            }
        });
    }

    /** The shape in files: that of the weight, without the padding of the vocabulary. */
    private List<Long> savedShape(Parameters.Entry entry) {
        long[] shape = entry.shape().toArray();
        if (entry.name().equals("wte.weight")) {
            shape[0] = parameters.config().vocabulary();
        }
        return LongStream.of(shape).boxed().toList();
    }

    /** Hands out the tensors of a checkpoint, and returns what else it holds. */
    public interface Source {
        CheckpointState readTo(TensorTarget target) throws IOException;
    }

    /**
     * Overwrites all weights with the checkpoint's.
     *
     * @throws CheckpointException if a weight is missing or has another shape than the configuration says
     */
    public CheckpointState load(Source source) throws IOException {
        Loading loading = new Loading();
        loading.expect("", parameters::set);
        return load(source, loading);
    }

    /**
     * Overwrites all weights, and the moments of those that {@code adamW} updates on this rank.
     *
     * @throws CheckpointException as the other
     */
    public CheckpointState load(Source source, AdamW adamW) throws IOException {
        Loading loading = new Loading();
        loading.expect("", parameters::set);
        loading.expect("m.", (offset, values) -> parameters.setKept(adamW.firstMoments(), offset, values));
        loading.expect("v.", (offset, values) -> parameters.setKept(adamW.secondMoments(), offset, values));
        return load(source, loading);
    }

    private CheckpointState load(Source source, Loading loading) throws IOException {
        parameters.clear();
        CheckpointState state = source.readTo(loading);
        loading.requireAll();
        return state;
    }

    /** Takes values for the flat buffers, those from {@code offset} on. */
    private interface FlatSink {
        void take(long offset, FloatBuffer values);
    }

    /** Where the tensors of a checkpoint go; others that it has are passed over. */
    private final class Loading implements TensorTarget {
        private record Place(List<Long> shape, long offset, FlatSink sink) {}

        /** Those that have not come yet. */
        private final Map<String, Place> places = new HashMap<>();

        void expect(String prefix, FlatSink sink) {
            for (Parameters.Entry entry : parameters.entries()) {
                places.put(prefix + entry.name(), new Place(savedShape(entry), entry.offset(), sink));
            }
        }

        @Override
        public TensorContent.Sink begin(String name, List<Long> shape) throws CheckpointException {
            Place place = places.remove(name);
            if (place == null) {
                return next -> {};
            }
            if (!place.shape().equals(shape)) {
                throw misfit(name, shape.toString(), place);
            }
            long[] at = {place.offset()};
            return next -> {
                place.sink().take(at[0], next);
                at[0] += next.remaining();
            };
        }

        void requireAll() throws CheckpointException {
            if (!places.isEmpty()) {
                String missing = Collections.min(places.keySet());
                throw misfit(missing, "missing", places.get(missing));
            }
        }

        private CheckpointException misfit(String name, String found, Place place) {
            return new CheckpointException(
                    "the checkpoint's tensor %s is %s, and the model needs %s; use the model section it was trained with",
                    name, found, place.shape());
        }
    }
}
