package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Folders that nanoGPT's or llm.c's scripts prepared: {@code train.bin} and {@code val.bin}, or {@code
 * *_train_000001.bin} and the like. Each file is llm.c's if it has that header, else nanoGPT's.
 */
public final class TokenBins {
    private static final int WINDOW = 1 << 14;

    private TokenBins() {}

    /**
     * Opens the folder and checks every id.
     *
     * @param tokenizer the one that the files were written with, which they do not record
     * @throws DataException if a split has no file, a file is damaged, or an id is outside the vocabulary
     */
    public static ShardSet open(Path folder, Tokenizer tokenizer) {
        Map<String, ShardSet.Split> splits = new LinkedHashMap<>();
        for (String split : List.of(CorpusSplit.TRAIN, CorpusSplit.VAL)) {
            List<Shard> shards =
                    files(folder, split).stream().map(Shard::openBin).toList();
            if (shards.isEmpty()) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s has no .bin file with '%s' in its name; give the folder that nanoGPT's or llm.c's script wrote",
                        folder,
                        split));
            }
            shards.forEach(shard -> shard.requireVocabulary(tokenizer));
            long[] lengths = shards.stream().mapToLong(Shard::length).toArray();
            SplitTokens tokens = new SplitTokens(split, lengths, shards::get);
            splits.put(split, new ShardSet.Split(tokens, () -> documents(tokens, tokenizer.endOfText())));
        }
        return new ShardSet(folder.toString(), folder.toString(), tokenizer, splits);
    }

    private static List<Path> files(Path folder, String split) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().endsWith(".bin")
                            && file.getFileName().toString().contains(split))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new DataException(
                    String.format(
                            Locale.ROOT,
                            "cannot list %s (%s); check that the folder exists and may be read",
                            folder,
                            DataException.reason(e)),
                    e);
        }
    }

    /** nanoGPT ends a document with the end-of-text id, llm.c begins it with one. */
    private static DocumentIndex documents(TokenSequence tokens, OptionalInt endOfText) {
        LongStream.Builder starts = LongStream.builder().add(0);
        int[] window = new int[WINDOW];
        boolean begins = false;
        for (long at = 0; endOfText.isPresent() && at < tokens.length(); at += WINDOW) {
            int count = (int) Math.min(WINDOW, tokens.length() - at);
            tokens.copy(at, count, window, 0);
            for (int i = 0; i < count; i++) {
                if (window[i] == endOfText.getAsInt()) {
                    begins |= at + i == 0;
                    starts.add(begins ? at + i : at + i + 1);
                }
            }
        }
        return new DocumentIndex(starts.add(tokens.length()).build().distinct().toArray());
    }
}
