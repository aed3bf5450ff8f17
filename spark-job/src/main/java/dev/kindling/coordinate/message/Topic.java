package dev.kindling.coordinate.message;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;

/**
 * A kind of message from ranks to the driver's part of a job: its name and the type of what it carries. Sender and
 * handler share the constant, so neither can mistake the type; {@link MessageCodec} is the encoding of them all.
 *
 * @param name unique among the topics of a job
 * @param type a record of numbers, text and lists of them
 */
public record Topic<T>(String name, Class<T> type) {
    /**
     * A value on its way to the driver.
     *
     * @param topic the name of its topic
     */
    public record Value(String topic, JsonNode content) {}

    /** {@code value}, ready to be sent. */
    public Value wrap(T value) {
        return new Value(name, MessageCodec.toTree(value));
    }

    /**
     * What has arrived.
     *
     * @throws FatalJobException if it is of another topic, or not a {@code T}
     */
    public T unwrap(Value arrived) {
        if (!arrived.topic().equals(name)) {
            throw new FatalJobException(
                    String.format(Locale.ROOT, "a message of topic '%s' is not one of '%s'", arrived.topic(), name));
        }
        try {
            return MessageCodec.fromTree(arrived.content(), type);
        } catch (FatalJobException e) {
            throw new FatalJobException(String.format(Locale.ROOT, "topic '%s': %s", name, e.getMessage()), e);
        }
    }
}
