package dev.kindling.local;

import dev.kindling.nn.sample.Sampling;
import java.io.IOException;
import java.nio.file.Path;

/** What the README shows: the path of a model, then a prompt. */
final class LanguageModelExample {
    private LanguageModelExample() {}

    public static void main(String[] args) throws IOException {
        try (LanguageModel model = LanguageModel.load(Path.of(args[0]))) {
            GenerationOptions options =
                    GenerationOptions.DEFAULT.withMaxTokens(20).withSampling(new Sampling(0.8f, 40, 1));
            System.out.println(args[1] + model.generate(args[1], options));
            TextScore score = model.score("To be, or not to be");
            System.out.printf("%.3f bits per byte, perplexity %.2f%n", score.bitsPerByte(), score.perplexity());
        }
    }
}
