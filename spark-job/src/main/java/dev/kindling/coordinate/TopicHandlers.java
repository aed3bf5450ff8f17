package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Topic;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What the driver's part of a job does with what ranks report and request, by topic. Handlers are called by one thread, in
 * the order of arrival, and only for ranks of the current generation; a generation ends only after the running call has
 * returned. Complete it before the {@link Coordinator} gets it.
 */
public final class TopicHandlers {
    /** Handles the messages of one topic. */
    @FunctionalInterface
    public interface Handler<T> {
        /**
         * Takes one message.
         *
         * @param generation of the rank that sent it
         * @param rank that sent it
         * @throws Exception reaches a rank that requested this as an error; fails the generation of one that reported it
         */
        void handle(Generation generation, int rank, T value) throws Exception;
    }

    private record Subscription<T>(Topic<T> topic, Handler<T> handler) {
        void handle(Generation generation, int rank, Topic.Value value) throws Exception {
            handler.handle(generation, rank, topic.unwrap(value));
        }
    }

    private final Map<String, Subscription<?>> byTopic = new HashMap<>();

    /** Has {@code handler} called for each message of {@code topic}. */
    public <T> TopicHandlers on(Topic<T> topic, Handler<T> handler) {
        if (byTopic.putIfAbsent(topic.name(), new Subscription<>(topic, handler)) != null) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "topic '%s' has a handler already", topic.name()));
        }
        return this;
    }

    /** Calls the topic's handler. A {@link FatalJobException} if there is none, or the value is not of its type. */
    void handle(Generation generation, int rank, Topic.Value value) throws Exception {
        Subscription<?> subscription = byTopic.get(value.topic());
        if (subscription == null) {
            throw new FatalJobException(
                    String.format(Locale.ROOT, "this job has no topic '%s', only %s", value.topic(), byTopic.keySet()));
        }
        subscription.handle(generation, rank, value);
    }
}
