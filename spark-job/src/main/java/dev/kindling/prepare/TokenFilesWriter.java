package dev.kindling.prepare;

import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.BegunDocuments;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenBin;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Prepared shards as the files of nanoGPT and llm.c, written by the driver. */
public final class TokenFilesWriter {
    private static final List<String> SPLITS = List.of(CorpusSplit.TRAIN, CorpusSplit.VAL);
    /** Of llm.c's own files. */
    private static final int LLM_C_FILE_TOKENS = 100_000_000;

    private TokenFilesWriter() {}

    /**
     * Writes {@code train.bin} and {@code val.bin}, and for characters {@code meta.pkl}.
     *
     * @throws dev.kindling.data.DataException if the vocabulary has ids that 16 bits do not hold
     */
    public static void writeNanoGpt(ShardSet set, Path folder, Configuration hadoop) throws IOException {
        Storage storage = Storage.of(folder, hadoop);
        TokenBin.requireUint16(set.tokenizer().vocabSize());
        for (String split : SPLITS) {
            TokenSequence tokens = set.tokens(split);
            storage.create(new Path(folder, split + ".bin"), out -> TokenBin.write(tokens, out));
        }
        if (set.tokenizer() instanceof CharTokenizer characters) {
            byte[] meta = NanoGptMeta.bytes(characters);
            storage.create(new Path(folder, NanoGptMeta.FILE), out -> out.write(meta));
        }
    }

    /**
     * Writes {@code tokens_train_000000.bin} and so on, of 100 million ids each, in which documents begin with the
     * end-of-text id.
     *
     * @param set of GPT-2's ids
     */
    public static void writeLlmC(ShardSet set, Path folder, Configuration hadoop) throws IOException {
        Storage storage = Storage.of(folder, hadoop);
        int end = set.tokenizer().endOfText().orElseThrow();
        for (String split : SPLITS) {
            TokenSequence tokens = new BegunDocuments(set.tokens(split), end);
            for (int file = 0; (long) file * LLM_C_FILE_TOKENS < tokens.length(); file++) {
                long from = (long) file * LLM_C_FILE_TOKENS;
                int count = (int) Math.min(LLM_C_FILE_TOKENS, tokens.length() - from);
                Path path = new Path(folder, String.format(Locale.ROOT, "tokens_%s_%06d.bin", split, file));
                storage.create(path, out -> TokenBin.writeLlmC(tokens, from, count, out));
            }
        }
    }
}
