package dev.kindling.evaluate.item;

import java.util.Locale;

/** Python's methods of str where Java's differ, so that items become the text that lm-evaluation-harness gives a model. */
final class PythonText {
    private static final int NEXT_LINE = 0x85;

    private PythonText() {}

    /** {@code str.isspace}, of one character. */
    private static boolean isSpace(int c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == NEXT_LINE; // no-break spaces as well
    }

    /** {@code str.rstrip}. */
    static String stripEnd(String text) {
        int end = text.length();
        while (end > 0 && isSpace(text.charAt(end - 1))) { // no space is a surrogate pair
            end--;
        }
        return text.substring(0, end);
    }

    /** {@code str.strip}. */
    static String strip(String text) {
        String stripped = stripEnd(text);
        int begin = 0;
        while (begin < stripped.length() && isSpace(stripped.charAt(begin))) {
            begin++;
        }
        return stripped.substring(begin);
    }

    static boolean startsWithSpace(String text) {
        return !text.isEmpty() && isSpace(text.charAt(0));
    }

    static boolean endsWithSpace(String text) {
        return stripEnd(text).length() < text.length();
    }

    /** {@code str.capitalize}: the first character in title case, the others in lower case. */
    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return Character.toString(Character.toTitleCase(first))
                + text.substring(Character.charCount(first)).toLowerCase(Locale.ROOT);
    }
}
