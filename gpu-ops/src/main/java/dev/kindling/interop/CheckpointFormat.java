package dev.kindling.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/**
 * What Kindling's own checkpoints look like: the names of directories and files, and the envelope of {@code state.json},
 * which holds a CRC32C of its content.
 */
public final class CheckpointFormat {
    /** Written last: without it a directory is no checkpoint. */
    public static final String STATE = "state.json";

    /** The weights. */
    public static final String MODEL = HuggingFaceFiles.WEIGHTS;

    private static final Pattern COMMITTED = Pattern.compile("step-(\\d{7,18})");
    private static final String FORMAT = "kindling-checkpoint";
    private static final int VERSION = 1;

    private static final JsonMapper INDENTED =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final JsonMapper COMPACT = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private CheckpointFormat() {}

    /** The name of the directory of a step. */
    public static String directory(long step) {
        return String.format(Locale.ROOT, "step-%07d", step);
    }

    /** The step of a committed checkpoint's directory; empty for another name. */
    public static OptionalLong step(String directory) {
        Matcher name = COMMITTED.matcher(directory);
        return name.matches() ? OptionalLong.of(Long.parseLong(name.group(1))) : OptionalLong.empty();
    }

    /** The bytes of {@code state.json} with this content. */
    public static byte[] write(ObjectNode content) {
        ObjectNode root = INDENTED.createObjectNode().put("format", FORMAT).put("version", VERSION);
        root.put("crc32c", crc(content)).set("state", content);
        return bytes(INDENTED, root);
    }

    /**
     * The content of {@code state.json}.
     *
     * @param path names the file in errors
     * @throws ModelFileException if it is damaged, or of another format or version
     */
    public static JsonNode read(String json, String path) throws ModelFileException {
        JsonNode root;
        try {
            root = COMPACT.readTree(json);
        } catch (JsonProcessingException e) {
            throw new ModelFileException(path + " is damaged: it is not JSON; use another checkpoint", e);
        }
        if (!root.path("format").asText().equals(FORMAT)) {
            throw new ModelFileException(path + " is not of the format " + FORMAT + "; use a Kindling checkpoint");
        }
        if (root.path("version").asInt(-1) != VERSION) {
            throw new ModelFileException(
                    path + " has version " + root.path("version").asText() + ", but this Kindling reads version "
                            + VERSION + "; use the Kindling that wrote it");
        }
        JsonNode content = root.path("state");
        if (root.path("crc32c").asLong(-1) != crc(content)) {
            throw new ModelFileException(
                    path + " is damaged: its checksum does not match its content; use another checkpoint");
        }
        return content;
    }

    private static long crc(JsonNode content) {
        CRC32C crc = new CRC32C();
        crc.update(bytes(COMPACT, content));
        return crc.getValue();
    }

    private static byte[] bytes(JsonMapper mapper, JsonNode tree) {
        try {
            return mapper.writeValueAsBytes(tree);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree can always be written", e);
        }
    }
}
