package dev.kindling.train;

import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.model.ModelWeights;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.GptDecoder;
import dev.kindling.nn.sample.Sampling;
import dev.kindling.nn.sample.TextGenerator;
import dev.kindling.tensor.Arena;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;

/** Text that a trained model writes at the end of its run. */
record SampleText(Trainer.Rank rank, Replica replica, ModelWeights weights) {
    private static final int TOKENS = 300;

    /**
     * Loads the best weights of the run, unless they are those of the last step, and lets them go on from the first token of
     * the validation split.
     *
     * @param done steps, after which the replica's weights are
     */
    String write(long done) throws IOException {
        Optional<Path> checkpoint = rank.store().best();
        if (checkpoint.isPresent() && rank.seat().best().step() != done) {
            rank.member().enter("loading the best checkpoint for a sample");
            weights.load(target -> rank.store().loadModel(checkpoint.get(), target));
        }
        List<Integer> tokens = new ArrayList<>();
        try (Arena arena = rank.device().arena("sample")) {
            int vocabulary = rank.shards().tokenizer().vocabSize();
            TextGenerator generator = new TextGenerator(
                    new GptDecoder(replica.parameters(), 1, replica.sdpa(), new Gpt.DeviceArena(rank.device(), arena)),
                    vocabulary);
            int[] prompt = new int[1];
            rank.shards().tokens(CorpusSplit.VAL).copy(0, 1, prompt, 0);
            generator.generate(
                    List.of(new TextGenerator.Request(
                            prompt, replica.config().train().seed(), tokens::add)),
                    TOKENS,
                    new Sampling(0.8f, 200, 1));
        }
        return rank.shards()
                .tokenizer()
                .decode(tokens.stream().mapToInt(Integer::intValue).toArray());
    }
}
