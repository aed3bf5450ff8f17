package dev.kindling.data.token;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** GPT-2's spelling of bytes: a printable character for each of the 256, so that any bytes are text in a JSON file. */
final class ByteAlphabet {
    private static final char[] SPELLING = new char[256];
    private static final int[] BYTES = new int[512];

    static {
        Arrays.fill(BYTES, -1);
        char next = 256;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value >= '!' && value <= '~') || (value >= 0xa1 && value <= 0xac) || (value >= 0xae);
            SPELLING[value] = printable ? (char) value : next++;
            BYTES[SPELLING[value]] = value;
        }
    }

    private ByteAlphabet() {}

    static String spell(byte[] bytes) {
        StringBuilder text = new StringBuilder(bytes.length);
        for (byte value : bytes) {
            text.append(SPELLING[value & 0xff]);
        }
        return text.toString();
    }

    /** The bytes of a spelling, or null if it holds another character. */
    static byte[] bytes(String spelling) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(spelling.length());
        for (int i = 0; i < spelling.length(); i++) {
            char letter = spelling.charAt(i);
            if (letter >= BYTES.length || BYTES[letter] < 0) {
                return null;
            }
            bytes.write(BYTES[letter]);
        }
        return bytes.toByteArray();
    }
}
