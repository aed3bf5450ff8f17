package dev.kindling.train;

import java.nio.charset.StandardCharsets;

/** Rank 0 asks the driver to commit the checkpoint of a step that it has staged. */
public record CommitRequest(long step, String staged) {
    /** The topic under which requests travel. */
    public static final String TOPIC = "commit";

    byte[] encode() {
        return (step + " " + staged).getBytes(StandardCharsets.UTF_8);
    }

    public static CommitRequest decode(byte[] payload) {
        String text = new String(payload, StandardCharsets.UTF_8);
        int space = text.indexOf(' ');
        return new CommitRequest(Long.parseLong(text.substring(0, space)), text.substring(space + 1));
    }
}
