package dev.kindling.evaluate;

/**
 * The places where UTF-8 text may be cut without changing its tokens: before a space or a line feed that follows
 * anything but white space. GPT-2's pre-tokens end there whatever surrounds it, because none of its patterns continues
 * over white space once it has begun with something else.
 */
final class SafeCuts {
    /** How many bytes before a place decide about it: the longest white space character. */
    static final int LOOK_BACK = 3;

    private SafeCuts() {}

    /** The first cut at or after {@code from}, or -1; {@code from} is at least {@link #LOOK_BACK}. */
    static int first(byte[] text, int from) {
        for (int at = from; at < text.length; at++) {
            if ((text[at] == ' ' || text[at] == '\n') && !mayEndWhiteSpace(text, at)) {
                return at;
            }
        }
        return -1;
    }

    /**
     * Whether the character before {@code at} may be white space by some definition; few other characters are mistaken
     * for it.
     */
    private static boolean mayEndWhiteSpace(byte[] text, int at) {
        int last = text[at - 1] & 0xFF;
        if (last < 0x80) {
            return last <= ' ' || last == 0x7F;
        }
        int lead = text[at - 3] & 0xFF;
        boolean twoBytes = (text[at - 2] & 0xFF) == 0xC2; // U+0085, U+00A0
        boolean ideographicSpace = lead == 0xE3 && (text[at - 2] & 0xFF) == 0x80 && last == 0x80;
        return twoBytes || lead == 0xE1 || lead == 0xE2 || ideographicSpace;
    }
}
