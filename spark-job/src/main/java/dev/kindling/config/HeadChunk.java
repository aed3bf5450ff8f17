package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.nn.Activations;
import java.util.List;

/** The values of {@code train.head_chunk}: auto, all, or a number of positions, of which whole slices are made. */
final class HeadChunk {
    private static final String AUTO = "auto";
    private static final String ALL = "all";

    private HeadChunk() {}

    static void require(String text) {
        check(
                text.equals(AUTO) || text.equals(ALL) || text.matches("[1-9][0-9]{0,8}"),
                "train.head_chunk is '%s'; set it to a number of positions, to all, or to auto",
                text);
    }

    /** How many positions may be made at a time, the fastest first; 0: all. */
    static List<Integer> choices(String text) {
        return switch (text) {
            case AUTO -> List.of(0, Activations.HEAD_SLICE);
            case ALL -> List.of(0);
            default -> List.of(wholeSlices(Integer.parseInt(text)));
        };
    }

    private static int wholeSlices(int positions) {
        int slice = Activations.HEAD_SLICE;
        return (positions + slice - 1) / slice * slice;
    }
}
