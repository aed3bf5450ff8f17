package dev.kindling.prepare;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.TextCuts;
import dev.kindling.input.Named;
import java.io.IOException;
import java.util.BitSet;
import java.util.Optional;
import java.util.OptionalInt;
import org.apache.hadoop.conf.Configuration;

/** How many token ids a corpus will have, found on the driver, before anything is prepared. */
public final class CorpusVocabulary {
    /** Longer text is not read for it: 64 MiB. */
    private static final long MOST_READ = 64L << 20;

    private CorpusVocabulary() {}

    /**
     * Of prepared shards and of nanoGPT's and llm.c's files as they say, of text what the tokenizer needs for it.
     *
     * @return empty where characters would have to be looked for in more than 64 MiB of text
     * @throws dev.kindling.data.DataException if the corpus cannot be read
     * @throws dev.kindling.storage.PathException if there is none
     */
    public static OptionalInt of(Named corpus, TokenizerKind tokenizer, Configuration hadoop) throws IOException {
        if (ShardPreparation.isPrepared(corpus, hadoop)) {
            String folder = corpus.resolve(hadoop).toString();
            return OptionalInt.of(
                    ShardPreparation.open(folder, hadoop).tokenizer().vocabSize());
        }
        if (!ShardPreparation.isShakespeare(corpus)) {
            Optional<TokenFiles> tokens = TokenFiles.of(corpus, hadoop);
            if (tokens.isPresent()) {
                ShardPreparation.Request request = new ShardPreparation.Request(corpus, tokenizer, Optional.empty(), 0);
                return OptionalInt.of(tokens.get().vocabulary(request, hadoop).vocabSize());
            }
        }
        return tokenizer == TokenizerKind.CHAR
                ? characters(CorpusParts.of(corpus, TextCuts.CHARACTERS, hadoop))
                : OptionalInt.of(tokenizer.usualVocabulary());
    }

    private static OptionalInt characters(CorpusParts text) {
        if (text.cost() > MOST_READ) {
            return OptionalInt.empty();
        }
        BitSet characters = new BitSet();
        text.parts()
                .forEach(part ->
                        part.read((document, piece) -> piece.codePoints().forEach(characters::set)));
        return OptionalInt.of(CharTokenizer.of(characters.stream()).vocabSize());
    }
}
