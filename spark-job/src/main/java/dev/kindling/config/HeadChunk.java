package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.nn.Activations;
import java.util.List;

/** The values of {@code train.head_chunk}: auto, all, or a number of positions. */
final class HeadChunk {
    private static final String AUTO = "auto";
    private static final String ALL = "all";

    private HeadChunk() {}

    static void require(String text) {
        check(
                text.equals(AUTO) || text.equals(ALL) || isNumber(text),
                "train.head_chunk is '%s'; set it to a multiple of %d, to all, or to auto",
                text,
                Activations.HEAD_MULTIPLE);
    }

    private static boolean isNumber(String text) {
        return text.matches("[1-9][0-9]{0,8}") && Integer.parseInt(text) % Activations.HEAD_MULTIPLE == 0;
    }

    /** How many positions may be made at a time, the fastest first; 0: all. */
    static List<Integer> choices(String text) {
        return switch (text) {
            case AUTO -> List.of(0, TrainSection.AUTO_HEAD_CHUNK);
            case ALL -> List.of(0);
            default -> List.of(Integer.parseInt(text));
        };
    }
}
