package dev.kindling.inference;

import dev.kindling.attention.Sdpa;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.device.Device;
import dev.kindling.model.GptConfigs;
import dev.kindling.model.ModelWeights;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import java.io.IOException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A checkpoint's weights on a device, without gradients. It owns the device. Used by one thread at a time.
 *
 * @param arena for activations; freed with the device
 */
public record InferenceModel(Device device, Arena arena, Sdpa sdpa, Parameters parameters, Tokenizer tokenizer)
        implements AutoCloseable {

    /**
     * Loads the weights from the checkpoint to the device, a piece at a time, verifying them.
     *
     * @param attention the backends that may run
     */
    public static InferenceModel load(
            Path directory, AttentionChoice attention, Supplier<Device> opener, Configuration hadoop)
            throws IOException {
        CheckpointStore store = CheckpointStore.around(directory, hadoop);
        CheckpointState state = store.loadState(directory);
        String origin = directory + "/state.json";
        TrainConfig config = TrainConfig.fromTree(state.config(), origin);
        Tokenizer tokenizer = Tokenizers.fromJson(state.tokenizer(), origin);
        GptConfig model = GptConfigs.of(config.model(), tokenizer.vocabSize()).withoutDropout();
        Device device = opener.get();
        try {
            Arena arena = device.arena("inference");
            Parameters parameters = new Parameters(model, device, arena, false);
            new ModelWeights(parameters).load(target -> store.loadModel(directory, target));
            Sdpa sdpa = new Sdpa(device, arena, attention.kinds());
            return new InferenceModel(device, arena, sdpa, parameters, tokenizer);
        } catch (IOException | RuntimeException | Error e) {
            device.close();
            throw e;
        }
    }

    /**
     * Makes what computes with these weights, and owns them from then on; closes them if that fails.
     *
     * @throws FatalJobException if no attention backend that is allowed can run
     */
    public <M> M make(Function<InferenceModel, M> maker) {
        try {
            return maker.apply(this);
        } catch (UnsupportedOperationException e) { // the attention backends' refusals
            close();
            throw new FatalJobException(e.getMessage(), e);
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    public GptConfig config() {
        return parameters.config();
    }

    @Override
    public void close() {
        device.close(); // its arenas as well
    }
}
