package dev.kindling.data.token;

/**
 * Places where text may be cut so that the parts, each tokenised for itself, give the tokens of the whole: how text of any
 * length is tokenised piece by piece, and its pieces on different machines.
 */
public enum TextCuts {
    /** Between any two characters. */
    CHARACTERS {
        @Override
        boolean betweenCharacters(CharSequence text, int at) {
            return true;
        }
    },

    /**
     * Where a pre-token of GPT-2 ends, whatever comes before or after. Its patterns are runs of letters, of numbers and of
     * other characters, each with one space before it if there is one; white space; and contractions such as {@code 's}.
     * So text may be cut between two of these kinds, but for the apostrophe that may begin a contraction; and before
     * white space that follows, or is followed by, anything else. A run of white space gives its last character to
     * what follows it, so its other places are none.
     */
    GPT2 {
        @Override
        boolean betweenCharacters(CharSequence text, int at) {
            int before = Character.codePointBefore(text, at);
            int after = Character.codePointAt(text, at);
            Kind left = Kind.of(before);
            Kind right = Kind.of(after);
            if (right == Kind.SPACE) {
                int next = at + 1; // all white space is in the basic plane
                return left != Kind.SPACE
                        || (next < text.length() && Kind.of(Character.codePointAt(text, next)) != Kind.SPACE);
            }
            return left != Kind.SPACE && left != right && before != '\'';
        }
    };

    /** Of the characters that GPT-2's patterns, {@code \p{L}}, {@code \p{N}} and {@code \s}, tell apart. */
    private enum Kind {
        LETTER,
        NUMBER,
        SPACE,
        OTHER;

        static Kind of(int codePoint) {
            if (Character.isLetter(codePoint)) {
                return LETTER;
            }
            return switch (Character.getType(codePoint)) {
                case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
                case Character.SPACE_SEPARATOR, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> SPACE;
                default -> (codePoint >= '\t' && codePoint <= '\r') || codePoint == 0x85 ? SPACE : OTHER;
            };
        }
    }

    abstract boolean betweenCharacters(CharSequence text, int at);

    /**
     * The first cut at or after a place, or -1 where the text has none for certain. What decides is the characters beside
     * it and the next one, so text that is longer at either end has the same cuts.
     *
     * @param from at least 1
     */
    public int first(CharSequence text, int from) {
        for (int at = from; at < text.length(); at++) {
            boolean within =
                    Character.isLowSurrogate(text.charAt(at)) && Character.isHighSurrogate(text.charAt(at - 1));
            if (!within && betweenCharacters(text, at)) {
                return at;
            }
        }
        return -1;
    }
}
