package dev.kindling.local;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.attention.Sdpa;
import dev.kindling.data.DataException;
import dev.kindling.data.batch.PackedBatch;
import dev.kindling.data.batch.StridedWindows;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.interop.SavedModel;
import dev.kindling.interop.TensorContent;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.GptDecoder;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.sample.TextGenerator;
import dev.kindling.tensor.Arena;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.SortedMap;
import java.util.function.Consumer;

/**
 * A trained model in this process, without Spark:
 *
 * <pre>{@code
 * try (LanguageModel model = LanguageModel.load(Path.of("runs/shakespeare"))) {
 *     System.out.println(model.generate("ROMEO:", GenerationOptions.DEFAULT));
 *     System.out.println(model.score("To be, or not to be").bitsPerByte());
 * }
 * }</pre>
 *
 * <p>Threads take turns.
 */
public final class LanguageModel implements AutoCloseable {
    private final Device device;
    private final Arena arena;
    private final Sdpa sdpa;
    private final Parameters parameters;
    private final Tokenizer tokenizer;
    private Gpt scorer; // made when it is first used, as the generator
    private TextGenerator generator;

    private LanguageModel(SavedModel saved, Device device) throws IOException {
        this.device = device;
        tokenizer = saved.tokenizer();
        arena = device.arena("language model");
        parameters = new Parameters(saved.config().withoutDropout(), device, arena, false);
        load(saved.weights());
        sdpa = new Sdpa(device, arena, EnumSet.allOf(AttentionBackend.Kind.class));
    }

    /**
     * Loads a model on the first GPU in bf16, or where no GPU can be used on all cores of this host in fp32.
     *
     * @param path a run directory (its best checkpoint), a checkpoint, or a GPT-2 folder of Hugging Face's transformers
     * @throws dev.kindling.interop.ModelFileException if that holds no model, or a damaged one
     */
    public static LanguageModel load(Path path) throws IOException {
        SavedModel saved = SavedModel.open(LocalModelFolder.named(path));
        return load(
                saved,
                CudaDevice.whyNot().isEmpty()
                        ? CudaDevice.open(0, Precision.BF16)
                        : new CpuDevice(Runtime.getRuntime().availableProcessors(), Precision.FP32));
    }

    /** The same on a device of the caller's choice, which belongs to the model from then on. */
    public static LanguageModel load(Path path, Device device) throws IOException {
        SavedModel saved;
        try {
            saved = SavedModel.open(LocalModelFolder.named(path));
        } catch (IOException | RuntimeException e) {
            device.close();
            throw e;
        }
        return load(saved, device);
    }

    private static LanguageModel load(SavedModel saved, Device device) throws IOException {
        try {
            return new LanguageModel(saved, device);
        } catch (IOException | RuntimeException e) {
            device.close();
            throw e;
        }
    }

    private void load(SortedMap<String, TensorContent> weights) throws IOException {
        parameters.clear();
        for (Parameters.Entry entry : parameters.entries()) {
            long[] at = {entry.offset()};
            weights.get(entry.name()).elements().writeTo(next -> {
                parameters.set(at[0], next);
                at[0] += next.remaining();
            });
        }
    }

    /** The shape of the model. */
    public GptConfig config() {
        return parameters.config();
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /**
     * The text that the model adds to {@code prompt}.
     *
     * @throws DataException if the vocabulary cannot express the prompt
     * @throws IllegalArgumentException if the prompt is empty
     */
    public String generate(String prompt, GenerationOptions options) {
        return generate(prompt, options, piece -> {});
    }

    /** The same, which also hands out the text piece by piece as soon as it is certain. */
    public synchronized String generate(String prompt, GenerationOptions options, Consumer<String> pieces) {
        if (generator == null) {
            generator = new TextGenerator(
                    new GptDecoder(parameters, 1, sdpa, new Gpt.DeviceArena(device, arena)), tokenizer.vocabSize());
        }
        Completion completion = new Completion(tokenizer, options.stops(), pieces);
        TextGenerator.Request request =
                new TextGenerator.Request(tokenizer.encode(prompt), options.seed(), completion::accept);
        generator.generate(List.of(request), options.maxTokens(), options.sampling());
        completion.end();
        return completion.text();
    }

    /**
     * How well the model predicts a text, each token from up to {@code block_size} before it, as {@code evaluate} scores
     * a document. A vocabulary with an end of text has one before the text.
     *
     * @throws DataException if the vocabulary cannot express the text, or there is nothing to predict in it
     */
    public synchronized TextScore score(String text) {
        int block = config().blockSize();
        if (scorer == null) {
            scorer = new Gpt(
                    parameters,
                    BatchShape.dense(1, block),
                    Gpt.Mode.INFERENCE,
                    sdpa,
                    new Gpt.DeviceArena(device, arena));
        }
        int[] before = tokenizer.endOfText().stream().toArray();
        int[] tokens = tokenizer.encode(text);
        int unscored = Math.min(tokens.length, 1 - before.length); // a first one without anything before it
        if (tokens.length == unscored) {
            throw new DataException("the text has nothing to predict: it is empty, or a single character");
        }
        double[] nats = {0};
        StridedWindows windows = new StridedWindows(block, block, (window, scored) -> nats[0] += loss(window, scored));
        windows.begin(before);
        windows.score(tokens);
        windows.finish();
        int[] predicted = Arrays.copyOfRange(tokens, unscored, tokens.length);
        return new TextScore(predicted.length, tokenizer.utf8Length(predicted), nats[0]);
    }

    /** The sum of the losses of the last {@code scored} targets of a window. */
    private double loss(int[] window, int scored) {
        int block = config().blockSize();
        int length = window.length - 1;
        int[] targets = new int[block];
        Arrays.fill(targets, PackedBatch.NO_TARGET);
        System.arraycopy(window, length + 1 - scored, targets, length - scored, scored);
        scorer.load(Arrays.copyOf(Arrays.copyOf(window, length), block), targets);
        scorer.forward();
        scorer.evaluate();
        float[] losses = new float[block];
        device.download(scorer.losses(), losses);
        double sum = 0;
        for (int row = length - scored; row < length; row++) {
            sum += losses[row];
        }
        return sum;
    }

    @Override
    public synchronized void close() {
        device.close(); // its arenas as well
    }
}
