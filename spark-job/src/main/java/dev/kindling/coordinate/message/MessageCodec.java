package dev.kindling.coordinate.message;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Locale;

/**
 * The one encoding of everything that ranks and driver say to each other: JSON. Only the class that the caller names is
 * ever made from bytes of the network, and only from all of its components: one that is missing, unknown, of another
 * type, or null where its record does not allow that, is refused.
 */
public final class MessageCodec {
    private static final JsonMapper JSON = JsonMapper.builder()
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
            .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS) // messages without components, such as Waiting
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .defaultSetterInfo(JsonSetter.Value.forValueNulls(Nulls.FAIL, Nulls.FAIL))
            .build();

    static {
        JSON.registerSubtypes(RankMessage.class.getPermittedSubclasses());
        JSON.registerSubtypes(DriverReply.class.getPermittedSubclasses());
    }

    private MessageCodec() {}

    /** The bytes of a record. */
    public static byte[] encode(Object message) {
        try {
            return JSON.writeValueAsBytes(message);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "%s cannot be sent", message), e);
        }
    }

    /**
     * The record of bytes from the network.
     *
     * @throws FatalJobException if they are not one of {@code type}; the same bytes would be refused again
     */
    public static <T> T decode(byte[] bytes, Class<T> type) {
        try {
            return requireValue(JSON.readValue(bytes, type), type);
        } catch (IOException e) {
            throw refusal(type, e);
        }
    }

    public static JsonNode toTree(Object value) {
        return JSON.valueToTree(value);
    }

    public static <T> T fromTree(JsonNode tree, Class<T> type) {
        try {
            return requireValue(JSON.treeToValue(tree, type), type);
        } catch (JsonProcessingException e) {
            throw refusal(type, e);
        }
    }

    private static <T> T requireValue(T value, Class<T> type) {
        if (value == null) {
            throw new FatalJobException(String.format(Locale.ROOT, "null is not a %s", type.getSimpleName()));
        }
        return value;
    }

    private static FatalJobException refusal(Class<?> type, IOException e) {
        String reason = e instanceof JsonProcessingException json ? json.getOriginalMessage() : e.toString();
        return new FatalJobException(
                String.format(
                        Locale.ROOT,
                        "not a %s of this version of Kindling (%s); run the driver and all executors with the same kindling.jar",
                        type.getSimpleName(),
                        reason),
                e);
    }
}
