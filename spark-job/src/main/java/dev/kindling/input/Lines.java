package dev.kindling.input;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.NotTextException;
import dev.kindling.data.corpus.Utf8Decoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Lines of a stream, as text or as JSON, in strict UTF-8. What is wrong with one keeps none from reading the next. */
public final class Lines {
    private static final int BUFFER_BYTES = 1 << 16;

    /** What reading a line takes, in bytes for each of its own: they, their text, the parser's buffer, the value. */
    private static final int BYTES_A_BYTE = 16;

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxStringLength(Integer.MAX_VALUE)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final InputStream in;
    private final long longest = Runtime.getRuntime().maxMemory() / BYTES_A_BYTE;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private int at;
    private int filled;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private long begin;
    private long bytes;
    private long offset;

    /** @param offset of the stream's first byte in its file */
    public Lines(InputStream in, long offset) {
        this.in = in;
        this.offset = offset;
    }

    /** Where the next line begins, in bytes. */
    long offset() {
        return offset;
    }

    /** Reads the next line; false if there is none. */
    public boolean next() throws IOException {
        line.reset();
        begin = offset;
        bytes = 0;
        boolean any = false;
        while (at < filled || fill()) {
            any = true;
            int end = at;
            while (end < filled && buffer[end] != '\n') {
                end++;
            }
            boolean whole = end < filled;
            int length = end - at;
            if (bytes + length <= longest) {
                line.write(buffer, at, length);
            }
            bytes += length;
            offset += length + (whole ? 1 : 0);
            at = whole ? end + 1 : end;
            if (whole) {
                return true;
            }
        }
        return any;
    }

    private boolean fill() throws IOException {
        at = 0;
        filled = Math.max(0, in.read(buffer, 0, buffer.length));
        return filled > 0;
    }

    /** Whether the line is of white space. */
    public boolean isBlank() {
        return bytes <= BUFFER_BYTES
                && line.toString(StandardCharsets.ISO_8859_1).isBlank();
    }

    /**
     * The line's text, without its end.
     *
     * @throws DataException that goes on where the line has been named, if it is none, or too long
     */
    public String text() {
        if (bytes > longest) {
            throw new DataException(
                    "is a line of %,d bytes, where this process, with %,d MiB of memory, reads at most %,d",
                    bytes, Runtime.getRuntime().maxMemory() >> 20, longest);
        }
        try {
            String text = Utf8Decoder.decode(line.toByteArray(), begin);
            return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
        } catch (NotTextException e) {
            throw new DataException(e.getMessage(), e);
        }
    }

    /**
     * The line's JSON object, which is all of the line and has no key twice.
     *
     * @throws DataException that goes on where the line has been named, if it is none, or too long
     */
    public JsonNode object() {
        JsonNode node;
        try {
            node = JSON.readTree(text());
        } catch (JsonProcessingException e) {
            throw new DataException(
                    e.getOriginalMessage().startsWith("Trailing token")
                            ? "has more than one JSON value on its line"
                            : "is not JSON (" + DataException.reason(e) + ")",
                    e);
        }
        if (!node.isObject()) {
            throw new DataException("is not a JSON object, but of type "
                    + node.getNodeType().toString().toLowerCase(Locale.ROOT));
        }
        return node;
    }

    /**
     * The text of a value of the line's object.
     *
     * @throws DataException that goes on where the line has been named, if it holds half of a character
     */
    public static String text(JsonNode value) {
        String text = value.asText();
        text.codePoints()
                .filter(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)
                .findFirst()
                .ifPresent(half -> {
                    throw new DataException("has half of a surrogate pair, \\u%04X, which is no character", half);
                });
        return text;
    }
}
