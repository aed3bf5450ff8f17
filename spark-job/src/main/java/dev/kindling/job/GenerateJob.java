package dev.kindling.job;

import dev.kindling.attention.Sdpa;
import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Sampling;
import dev.kindling.nn.TextGenerator;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.Arena;
import dev.kindling.train.ConfigException;
import dev.kindling.train.Model;
import dev.kindling.train.ModelWeights;
import dev.kindling.train.TrainConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.deploy.SparkHadoopUtil;

/** Continues a prompt with a trained model, on the driver's CPU, with a key/value cache. Equal seeds, equal text. */
final class GenerateJob implements Job<GenerateOptions> {
    @Override
    public void run(GenerateOptions options) throws IOException {
        Sampling sampling = sampling(options);
        Configuration hadoop = SparkHadoopUtil.get().conf();
        Path directory = CheckpointStore.resolve(RunPath.absolute(options.checkpoint(), hadoop), hadoop);
        CheckpointStore store = new CheckpointStore(Storage.of(directory, hadoop), directory.getParent(), 1);
        Checkpoint checkpoint = store.loadModel(directory);
        TrainConfig config = TrainConfig.fromTree(checkpoint.state().config(), directory + "/state.json");
        Tokenizer tokenizer = Tokenizers.fromJson(checkpoint.state().tokenizer(), directory + "/state.json");
        int[] prompt = tokenizer.encode(options.prompt());
        try (Device device = new CpuDevice(Runtime.getRuntime().availableProcessors(), Precision.FP32);
                Arena arena = device.arena("generation")) {
            Parameters parameters =
                    new Parameters(Model.of(config.model(), tokenizer.vocabSize()), device, arena, false);
            new ModelWeights(parameters).load(checkpoint);
            Sdpa sdpa = new Sdpa(device, arena, Sdpa.allowedBy("auto"));
            TextGenerator generator =
                    new TextGenerator(Model.decoder(parameters, sdpa, device, arena), tokenizer.vocabSize());
            for (int i = 0; i < options.numSamples(); i++) {
                List<Integer> tokens = new ArrayList<>();
                generator.generate(prompt, options.maxTokens(), sampling, options.seed() + i, tokens::add);
                int[] ids = tokens.stream().mapToInt(Integer::intValue).toArray();
                System.out.println(options.prompt() + tokenizer.decode(ids));
                if (i + 1 < options.numSamples()) {
                    System.out.println("---");
                }
            }
        }
    }

    private static Sampling sampling(GenerateOptions options) {
        try {
            return new Sampling((float) options.temperature(), options.topK(), (float) options.topP());
        } catch (IllegalArgumentException e) {
            throw new ConfigException(e.getMessage(), e);
        }
    }
}
