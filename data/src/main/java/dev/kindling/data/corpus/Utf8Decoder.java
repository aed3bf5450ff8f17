package dev.kindling.data.corpus;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Strict UTF-8, decoded as its bytes come: text is read unchanged, but for a byte order mark at the beginning of a
 * document, which is dropped, or refused with the place of the first byte that is none.
 */
public final class Utf8Decoder {
    private static final char BYTE_ORDER_MARK = '\uFEFF';

    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    private long offset;

    /** @param offset in its document of the first byte that will come, for errors; only at 0 there may be a byte order mark */
    public Utf8Decoder(long offset) {
        this.offset = offset;
    }

    /**
     * Decodes bytes of a whole text, or of a part of it that begins and ends between characters.
     *
     * @param offset of the part in its document
     * @throws NotTextException if they are binary or not UTF-8
     */
    public static String decode(byte[] bytes, long offset) throws NotTextException {
        StringBuilder text = new StringBuilder(bytes.length);
        new Utf8Decoder(offset).decode(ByteBuffer.wrap(bytes), true, text);
        return text.toString();
    }

    /**
     * Appends what the next bytes say. A character that goes on after them stays in {@code in}, unless they are the last.
     *
     * @throws NotTextException if they are binary or not UTF-8
     */
    public void decode(ByteBuffer in, boolean last, StringBuilder text) throws NotTextException {
        int begin = in.position();
        for (int i = begin; i < in.limit(); i++) {
            if (in.get(i) == 0) {
                throw new NotTextException(
                        String.format(Locale.ROOT, "looks binary: byte %,d is NUL", offset + i - begin));
            }
        }
        CharBuffer out = CharBuffer.allocate(in.remaining());
        CoderResult result = decoder.decode(in, out, last);
        if (result.isError()) {
            throw new NotTextException(String.format(
                    Locale.ROOT,
                    "is not UTF-8: invalid byte 0x%02X at offset %,d",
                    in.get(in.position()),
                    offset + in.position() - begin));
        }
        out.flip();
        if (offset == 0 && out.hasRemaining() && out.get(0) == BYTE_ORDER_MARK) {
            out.get();
        }
        text.append(out.array(), out.position(), out.remaining());
        offset += in.position() - begin;
    }
}
