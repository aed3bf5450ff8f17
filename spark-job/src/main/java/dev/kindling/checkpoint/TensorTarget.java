package dev.kindling.checkpoint;

import dev.kindling.interop.TensorContent;
import java.util.List;

/** Takes the tensors of a checkpoint as they are read, one after another. */
public interface TensorTarget {
    /**
     * Where the elements of the next tensor go.
     *
     * @throws CheckpointException if it is not what is needed
     */
    TensorContent.Sink begin(String name, List<Long> shape) throws CheckpointException;
}
