package dev.kindling.checkpoint;

import dev.kindling.interop.TensorContent;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.apache.hadoop.fs.Path;

/** Tensors of a checkpoint, whole in memory. */
public final class LoadedTensors implements TensorTarget {
    public final Map<String, float[]> values = new TreeMap<>();
    public final Map<String, List<Long>> shapes = new TreeMap<>();

    @Override
    public TensorContent.Sink begin(String name, List<Long> shape) {
        FloatBuffer all = FloatBuffer.allocate((int) new TensorContent(shape, sink -> {}).count());
        values.put(name, all.array());
        shapes.put(name, shape);
        return all::put;
    }

    /** Those of a checkpoint's both files. */
    public static LoadedTensors of(CheckpointStore store, Path committed) throws IOException {
        LoadedTensors loaded = new LoadedTensors();
        store.load(committed, loaded);
        return loaded;
    }

    /** The weights alone. */
    public static LoadedTensors ofModel(CheckpointStore store, Path committed) throws IOException {
        LoadedTensors loaded = new LoadedTensors();
        store.loadModel(committed, loaded);
        return loaded;
    }

    /** Those of a safetensors file of F32. */
    public static LoadedTensors ofFile(byte[] file, String name) throws IOException {
        LoadedTensors loaded = new LoadedTensors();
        SafeTensors.read(new ByteArrayInputStream(file), file.length, name, loaded);
        return loaded;
    }

    static LoadedTensors of(Checkpoint checkpoint) throws IOException {
        LoadedTensors loaded = new LoadedTensors();
        checkpoint.readTo(loaded);
        return loaded;
    }

    /** A tensor in a part of an array. */
    public static TensorContent tensor(float[] values, int offset, long... shape) {
        List<Long> extents = LongStream.of(shape).boxed().toList();
        int count = (int) new TensorContent(extents, sink -> {}).count();
        return new TensorContent(extents, sink -> sink.take(FloatBuffer.wrap(values, offset, count)));
    }
}
