package dev.kindling.train.checkpoint;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.LoadedTensors;
import dev.kindling.interop.TensorContent;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;

/** Checkpoints of one small tensor, and where they are kept. */
public final class TestCheckpoints {
    private TestCheckpoints() {}

    static CheckpointStore store(Path run) throws IOException {
        return store(run, Storage.of(new org.apache.hadoop.fs.Path(run.toString()), new Configuration(false)));
    }

    static CheckpointStore store(Path run, Storage storage) {
        return new CheckpointStore(storage, new org.apache.hadoop.fs.Path(run.toString(), "checkpoints"), 3);
    }

    public static Checkpoint snapshot(long step) {
        CheckpointState state = new CheckpointState(
                step,
                JsonNodeFactory.instance.objectNode(),
                JsonNodeFactory.instance.objectNode(),
                7,
                step * 8,
                2,
                OptionalDouble.empty(),
                OptionalLong.empty());
        TensorContent tensor = LoadedTensors.tensor(new float[] {step, 2, 3}, 0, 3);
        return new Checkpoint(state, Map.of("wte.weight", tensor), Map.of("m.wte.weight", tensor));
    }
}
