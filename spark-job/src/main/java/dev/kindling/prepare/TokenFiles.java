package dev.kindling.prepare;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.TokenBin;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.Named;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.functional.FutureIO;

/**
 * A folder that nanoGPT's or llm.c's scripts prepared: {@code train.bin} and {@code val.bin}, or {@code
 * NAME_train_000001.bin} and the like. Other files in it are not read.
 *
 * @param files names that end in {@code .bin} with the word {@code train} or {@code val} in them, in their order
 */
record TokenFiles(Named corpus, Path folder, List<FileStatus> files) {
    private static final int LOOKS_AT_ONCE = 16;
    private static final Pattern NAME = Pattern.compile(
            "(?:.*[^A-Za-z])?(" + CorpusSplit.TRAIN + "|" + CorpusSplit.VAL + ")(?:[^A-Za-z].*)?\\.bin");

    /** The files of a corpus; empty if it is no such folder. */
    static Optional<TokenFiles> of(Named corpus, Configuration hadoop) throws IOException {
        Path folder = corpus.resolve(hadoop);
        FileSystem store = Storage.of(folder, hadoop).files();
        if (!store.exists(folder) || !store.getFileStatus(folder).isDirectory()) {
            return Optional.empty();
        }
        List<FileStatus> files = Stream.of(store.listStatus(folder))
                .filter(file -> file.isFile() && split(file.getPath().getName()).isPresent())
                .sorted(Comparator.comparing(file -> file.getPath().getName()))
                .toList();
        return files.isEmpty() ? Optional.empty() : Optional.of(new TokenFiles(corpus, folder, files));
    }

    /** The split that a file's name tells, by its last word of that kind; empty if it is no file of ids. */
    private static Optional<String> split(String name) {
        Matcher words = NAME.matcher(name);
        return words.matches() ? Optional.of(words.group(1)) : Optional.empty();
    }

    /**
     * The ranges that tasks copy, of {@code rangeTokens} tokens. nanoGPT ends a document with the end-of-text id, llm.c begins it with one:
     * the first token of a split tells.
     *
     * @throws DataException if a split has no token, or a file is damaged
     */
    List<TokenRange> ranges(String split, OptionalInt endOfText, int rangeTokens, Configuration hadoop)
            throws IOException {
        List<TokenRange> ranges = new ArrayList<>();
        boolean begins = false;
        for (Beginnings file : beginnings(split, rangeTokens, hadoop)) {
            for (int range = 0; range < file.ids().size(); range++) {
                boolean document = endOfText.isPresent() && file.ids().get(range) == endOfText.getAsInt();
                begins = ranges.isEmpty() ? document : begins;
                if (!ranges.isEmpty() && begins && document) {
                    int last = ranges.size() - 1;
                    ranges.set(last, ranges.get(last).endingDocument());
                }
                long at = (long) range * rangeTokens;
                long count = Math.min(rangeTokens, file.bin().tokens() - at);
                ranges.add(new TokenRange(file.name(), file.bin().dataStart(), at, count, begins, false));
            }
        }
        if (ranges.isEmpty()) {
            throw new DataException(
                    "%s has no .bin file with '%s' in its name that holds a token; give the folder that nanoGPT's or llm.c's script wrote",
                    corpus, split);
        }
        return ranges;
    }

    /** A file, and the first id of each range of it. */
    private record Beginnings(String name, TokenBin bin, List<Integer> ids) {}

    /** Of each file of a split, looked up side by side, as there may be many and a store may be slow for each. */
    private List<Beginnings> beginnings(String split, int rangeTokens, Configuration hadoop) throws IOException {
        List<Callable<Beginnings>> looks = files.stream()
                .filter(file -> split(file.getPath().getName()).equals(Optional.of(split)))
                .<Callable<Beginnings>>map(file -> () -> beginnings(file, rangeTokens, hadoop))
                .toList();
        ExecutorService threads = Executors.newFixedThreadPool(LOOKS_AT_ONCE);
        try {
            List<Beginnings> found = new ArrayList<>();
            for (Future<Beginnings> look : threads.invokeAll(looks)) {
                found.add(FutureIO.awaitFuture(look));
            }
            return found;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while the files of " + corpus + " were looked at");
        } finally {
            threads.shutdownNow();
        }
    }

    private Beginnings beginnings(FileStatus file, int rangeTokens, Configuration hadoop) throws IOException {
        String name = file.getPath().toString();
        try (FSDataInputStream in = Storage.of(folder, hadoop).files().open(file.getPath())) {
            TokenBin bin = TokenBin.of(in, file.getLen(), name);
            List<Integer> ids = new ArrayList<>();
            for (long at = 0; at < bin.tokens(); at += rangeTokens) {
                in.seek(bin.dataStart() + at * Short.BYTES);
                ids.add(in.readUnsignedByte() | in.readUnsignedByte() << Byte.SIZE);
            }
            return new Beginnings(name, bin, ids);
        }
    }

    /**
     * The tokenizer of the ids, which the files do not name: that of nanoGPT's {@code meta.pkl} for characters, else the
     * request's.
     *
     * @throws DataException if it is not known of which characters they are, or those are not the request's
     */
    Tokenizer vocabulary(ShardPreparation.Request request, Configuration hadoop) throws IOException {
        Tokenizer asked = request.vocabulary().orElse(null);
        boolean byCharacter =
                asked == null ? request.tokenizer() == TokenizerKind.CHAR : asked instanceof CharTokenizer;
        if (!byCharacter) {
            return asked == null ? new BpeTokenizer() : asked;
        }
        Tokenizer own = NanoGptMeta.read(folder, hadoop)
                .orElseThrow(() -> new DataException(
                        "%s holds files of ids and no meta.pkl, which would say of which characters; add nanoGPT's, or use tokenizer gpt2 if they are GPT-2's",
                        corpus));
        if (asked != null && !asked.equals(own)) {
            throw new DataException(
                    "%s has %s by its meta.pkl, and the model has %s; prepare the text with the model's",
                    corpus, own, asked);
        }
        return own;
    }
}
