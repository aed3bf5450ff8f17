package dev.kindling.train;

import dev.kindling.coordinate.message.Topic;

/**
 * Rank 0 asks the driver to commit the checkpoint of a step.
 *
 * @param staged the folder in which it has written the checkpoint
 */
public record CommitRequest(long step, String staged) {
    public static final Topic<CommitRequest> TOPIC = new Topic<>("commit", CommitRequest.class);
}
