package dev.kindling.generate;

import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.Device;
import dev.kindling.inference.ExecutorModels;
import dev.kindling.inference.InferenceModel;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.GptDecoder;
import dev.kindling.nn.sample.Sampling;
import dev.kindling.nn.sample.TextGenerator;
import java.io.IOException;
import java.util.List;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A model that generates texts, a batch at a time. Threads take turns. */
public final class LoadedGenerator implements ExecutorModels.DeviceModel {
    private final InferenceModel model;
    private final TextGenerator generator;
    private volatile boolean failed;

    private LoadedGenerator(InferenceModel model, int batch) {
        this.model = model;
        generator = new TextGenerator(
                new GptDecoder(
                        model.parameters(), batch, model.sdpa(), new Gpt.DeviceArena(model.device(), model.arena())),
                model.tokenizer().vocabSize());
    }

    /** Loads a checkpoint on the device that {@code opener} opens. */
    public static LoadedGenerator load(
            GenerationSettings.ModelChoice choice, Path directory, Supplier<Device> opener, Configuration hadoop)
            throws IOException {
        return InferenceModel.load(directory, choice.attention(), opener, hadoop)
                .make(model -> new LoadedGenerator(model, choice.batch()));
    }

    public Tokenizer tokenizer() {
        return model.tokenizer();
    }

    /** How many texts are generated side by side. */
    public int batch() {
        return generator.batch();
    }

    /** Generates up to {@link #batch} texts. */
    public synchronized void write(List<TextGenerator.Request> requests, int maxTokens, Sampling sampling) {
        try {
            generator.generate(requests, maxTokens, sampling);
        } catch (RuntimeException | Error e) {
            failed = true;
            throw e;
        }
    }

    @Override
    public boolean failed() {
        return failed;
    }

    @Override
    public synchronized void close() {
        model.close();
    }
}
