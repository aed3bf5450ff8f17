package dev.kindling.prepare;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import net.razorvine.pickle.Pickler;
import net.razorvine.pickle.Unpickler;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** nanoGPT's {@code meta.pkl}, which lies beside the ids of characters: {@code {vocab_size, itos, stoi}}, pickled. */
final class NanoGptMeta {
    static final String FILE = "meta.pkl";

    /** More than a million characters take. */
    private static final long MOST_BYTES = 64 << 20;

    private NanoGptMeta() {}

    /**
     * The characters; empty if there is no such file.
     *
     * @throws DataException if it is damaged
     */
    static Optional<Tokenizer> read(Path folder, Configuration hadoop) throws IOException {
        Storage storage = Storage.of(folder, hadoop);
        Path path = new Path(folder, FILE);
        if (!storage.files().exists(path)) {
            return Optional.empty();
        }
        if (storage.files().getFileStatus(path).getLen() > MOST_BYTES) {
            throw damaged(path, "longer than 64 MiB", null);
        }
        Object pickled;
        try (InputStream in = storage.files().open(path)) {
            pickled = new Unpickler().load(in);
        } catch (IOException | RuntimeException e) {
            throw damaged(path, DataException.reason(e), e);
        }
        if (!(pickled instanceof Map<?, ?> meta) || !(meta.get("itos") instanceof Map<?, ?> characters)) {
            throw damaged(path, "it has no itos", null);
        }
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("tokenizer", CharTokenizer.ID);
        ArrayNode array = json.putArray("characters");
        for (int id = 0; id < characters.size(); id++) {
            if (!(characters.get(id) instanceof String character)) {
                throw damaged(path, "itos has no character " + id, null);
            }
            array.add(character);
        }
        return Optional.of(Tokenizers.fromJson(json, path.toString()));
    }

    private static DataException damaged(Path path, String why, Exception cause) {
        return new DataException(cause, "%s is not nanoGPT's description of characters (%s); restore it", path, why);
    }

    /** The file's content. */
    static byte[] bytes(CharTokenizer tokenizer) throws IOException {
        Map<Integer, String> itos = new HashMap<>();
        Map<String, Integer> stoi = new HashMap<>();
        for (int id = 0; id < tokenizer.vocabSize(); id++) {
            String character = tokenizer.decode(new int[] {id});
            itos.put(id, character);
            stoi.put(character, id);
        }
        Map<String, Object> meta = new HashMap<>();
        meta.put("vocab_size", tokenizer.vocabSize());
        meta.put("itos", itos);
        meta.put("stoi", stoi);
        return new Pickler().dumps(meta);
    }
}
