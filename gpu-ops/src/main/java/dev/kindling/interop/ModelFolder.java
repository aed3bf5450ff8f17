package dev.kindling.interop;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;

/** The folder that holds the files of a model, on whatever file system. */
public interface ModelFolder {
    /** More than any configuration or vocabulary takes, and little enough to be held in memory. */
    long MAX_JSON_BYTES = 64L << 20;

    JsonMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /** The path of a file, for error messages. */
    String path(String file);

    boolean has(String file) throws IOException;

    /** Bytes of a file that is there. */
    long length(String file) throws IOException;

    /** Opens a file at byte {@code from}; the caller closes the stream. */
    InputStream open(String file, long from) throws IOException;

    /**
     * A file of JSON.
     *
     * @throws ModelFileException if it is missing, too long, or not one JSON object
     */
    default ObjectNode readJson(String file) throws IOException {
        byte[] bytes = readAll(file);
        JsonNode tree;
        try {
            tree = JSON.readTree(bytes);
        } catch (JsonProcessingException e) {
            throw new ModelFileException(
                    String.format(Locale.ROOT, "%s is not JSON (%s); restore it", path(file), DataException.reason(e)),
                    e);
        } catch (IOException e) { // bytes that are no characters
            throw new ModelFileException(
                    String.format(Locale.ROOT, "%s is not JSON (%s); restore it", path(file), e.getMessage()), e);
        }
        if (tree instanceof ObjectNode object) {
            return object;
        }
        throw new ModelFileException(path(file) + " is no JSON object; restore it");
    }

    /**
     * A file of text, whole.
     *
     * @throws ModelFileException if it is missing or too long
     */
    default byte[] readAll(String file) throws IOException {
        if (!has(file)) {
            throw new ModelFileException(path(file) + " is missing; add it");
        }
        if (length(file) > MAX_JSON_BYTES) {
            throw new ModelFileException(path(file) + " is longer than 64 MiB, as no such file is; restore it");
        }
        try (InputStream in = open(file, 0)) {
            return in.readAllBytes();
        }
    }
}
