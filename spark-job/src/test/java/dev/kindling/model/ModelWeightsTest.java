package dev.kindling.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.RescuedCheckpoints;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ModelWeightsTest {
    private static final GptConfig MODEL = new GptConfig(1111, 16, 2, 2, 64, 0, true, Gelu.Form.ERF);
    private static final AdamW.Coefficients COEFFICIENTS = new AdamW.Coefficients(0.9f, 0.95f, 0.1f);

    @TempDir
    private Path run;

    /** A rank's weights and moments. */
    private static final class Rank implements AutoCloseable {
        final Device device = new CpuDevice(1, Precision.FP32);
        final Arena arena = device.arena("test");
        final Parameters parameters;
        final AdamW adamW;

        Rank(GptConfig model, OptimizerShard shard, DType moments) {
            parameters = new Parameters(model, device, arena, DType.F32, shard);
            adamW = new AdamW(parameters, COEFFICIENTS, moments, device, arena);
        }

        float[] read(Tensor tensor) {
            float[] values = new float[(int) tensor.count()];
            device.download(tensor, values);
            return values;
        }

        @Override
        public void close() {
            device.close();
        }
    }

    private CheckpointStore store() throws IOException {
        org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(run.toUri());
        return new CheckpointStore(Storage.of(path, new Configuration(false)), path, 1);
    }

    private static CheckpointState state() {
        return new CheckpointState(
                7,
                JsonNodeFactory.instance.objectNode(),
                JsonNodeFactory.instance.objectNode(),
                1,
                0,
                1,
                OptionalDouble.empty(),
                OptionalLong.empty());
    }

    private static float[] randoms(Random random, long count) {
        float[] values = new float[(int) count];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat();
        }
        return values;
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16"})
    void writtenFromMemoryAndLoadedByShardsTheyAreTheSame(DType type) throws IOException {
        try (Rank whole = new Rank(MODEL, OptimizerShard.WHOLE, type)) {
            whole.parameters.initialise(3);
            Random random = new Random(5);
            for (Tensor moments : List.of(whole.adamW.firstMoments(), whole.adamW.secondMoments())) {
                whole.device.upload(randoms(random, moments.count()), moments);
            }
            CheckpointStore store = store();
            try (Snapshot snapshot = Snapshot.onHost(whole.parameters.count())) {
                List<Tensor> state =
                        List.of(whole.parameters.master(), whole.adamW.firstMoments(), whole.adamW.secondMoments());
                for (int i = 0; i < state.size(); i++) {
                    ((FlatTarget) snapshot.all().get(i)).take(whole.device, 0, state.get(i));
                }
                try (Snapshot held = snapshot.toHost(whole.parameters.count())) {
                    Checkpoint checkpoint = new ModelWeights(whole.parameters).checkpoint(state(), held);
                    store.save(checkpoint);
                    assertThat(store.committedAs(checkpoint)).contains(state());
                }
            }
            for (int r = 0; r < 3; r++) {
                try (Rank rank = new Rank(MODEL, new OptimizerShard(OptimizerShard.Cut.SLICES, r, 3), type)) {
                    CheckpointState read = new ModelWeights(rank.parameters)
                            .load(target -> store.load(store.committed(7), target), rank.adamW);
                    assertThat(read).isEqualTo(state());
                    assertThat(rank.read(rank.parameters.master())).isEqualTo(whole.read(whole.parameters.master()));
                    Parameters.Range own = rank.parameters.own().get(0);
                    assertThat(rank.read(rank.adamW.firstMoments()))
                            .isEqualTo(Arrays.copyOfRange(
                                    whole.read(whole.adamW.firstMoments()), (int) own.offset(), (int) own.end()));
                    assertThat(rank.read(rank.adamW.secondMoments()))
                            .isEqualTo(Arrays.copyOfRange(
                                    whole.read(whole.adamW.secondMoments()), (int) own.offset(), (int) own.end()));
                }
            }
        }
    }

    /** What is written without a driver where the state is divided over three ranks. */
    @ParameterizedTest
    @EnumSource
    void thePiecesOfAllRanksMakeUpTheSameFiles(OptimizerShard.Cut cut) throws IOException {
        CheckpointStore store = store();
        for (int r = 0; r < 3; r++) {
            try (Rank rank = new Rank(MODEL, new OptimizerShard(cut, r, 3), DType.F32);
                    Snapshot snapshot = Snapshot.onHost(rank.parameters.count())) {
                float[] values = randoms(new Random(5), rank.parameters.count());
                snapshot.all().forEach(flat -> ((FlatTarget) flat).take(0, FloatBuffer.wrap(values)));
                ModelWeights weights = new ModelWeights(rank.parameters);
                Checkpoint pieces = weights.pieces(state(), snapshot, rank.parameters.own());
                assertThat(store.commitRescued()).isEmpty();
                assertThat(store.rescued()
                                .write(
                                        pieces,
                                        weights.shapes(),
                                        new RescuedCheckpoints.Writer("this", r, 3),
                                        () -> true))
                        .isPresent();
                if (r == 2) {
                    assertThat(store.commitRescued()).hasValue(7);
                    Checkpoint whole = weights.checkpoint(state(), snapshot);
                    assertThat(store.committedAs(whole)).contains(state());
                }
            }
        }
        assertThat(run.toFile().list()).containsExactly("step-0000007");
    }

    @Test
    void ofAnotherShapeOrIncompleteTheyAreRefused() throws IOException {
        try (Rank rank = new Rank(MODEL, OptimizerShard.WHOLE, DType.F32);
                Rank deeper = new Rank(
                        new GptConfig(1111, 16, 3, 2, 64, 0, true, Gelu.Form.ERF), OptimizerShard.WHOLE, DType.F32);
                Rank wider = new Rank(
                        new GptConfig(1111, 16, 2, 2, 128, 0, true, Gelu.Form.ERF), OptimizerShard.WHOLE, DType.F32);
                Snapshot zeros = Snapshot.onHost(rank.parameters.count())) {
            Checkpoint checkpoint = new ModelWeights(rank.parameters).checkpoint(state(), zeros);
            assertThatThrownBy(() -> new ModelWeights(deeper.parameters).load(checkpoint::readTo))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(
                            "the checkpoint's tensor h.2.attn.c_attn.bias is missing, and the model needs [192]; use the model section it was trained with");
            assertThatThrownBy(() -> new ModelWeights(wider.parameters).load(checkpoint::readTo))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("and the model needs [");
        }
    }

    @Test
    void floatsBesideTheHeapAreReadAcrossTheirPieces() {
        int edge = 1 << 24;
        try (HostFloats floats = new HostFloats(edge + 7)) {
            floats.take(edge - 3, FloatBuffer.wrap(new float[] {9, 1, 2, 3, 4, 5, 9}, 1, 5));
            FloatBuffer read = FloatBuffer.allocate(8).position(1);
            floats.read(edge - 4, read.limit(7));
            assertThat(read.array()).containsExactly(0, 0, 1, 2, 3, 4, 5, 0);
        }
    }
}
