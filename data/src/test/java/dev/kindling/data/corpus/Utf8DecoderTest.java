package dev.kindling.data.corpus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Utf8DecoderTest {
    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    @Test
    void textIsUnchangedButForAByteOrderMarkAtTheBeginning() throws NotTextException {
        String text = "\ufeffone\r\ntwo \u00e9 \ud83d\ude00\ufeff\n";
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        assertThat(Utf8Decoder.decode(encoded, 0)).isEqualTo(text.substring(1));
        assertThat(Utf8Decoder.decode(encoded, 7)).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7})
    void comesInPiecesOfAnyLength(int length) throws NotTextException {
        String text = "\ufeff\u00e9\u4e2d\ud83d\ude00 and more";
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        Utf8Decoder decoder = new Utf8Decoder(0);
        ByteBuffer buffer = ByteBuffer.allocate(16).flip();
        StringBuilder read = new StringBuilder();
        for (int at = 0; at < encoded.length; at += length) {
            int end = Math.min(encoded.length, at + length);
            decoder.decode(buffer.compact().put(encoded, at, end - at).flip(), end == encoded.length, read);
        }
        assertThat(read).hasToString(text.substring(1));
    }

    @Test
    void refusesWhatIsNoneWithTheOffset() {
        assertThatThrownBy(() -> Utf8Decoder.decode("caf\u00e9 au lait".getBytes(StandardCharsets.ISO_8859_1), 100))
                .isInstanceOf(NotTextException.class)
                .hasMessage("is not UTF-8: invalid byte 0xE9 at offset 103");
        assertThatThrownBy(() -> Utf8Decoder.decode(bytes('a', 0xC3), 0))
                .hasMessage("is not UTF-8: invalid byte 0xC3 at offset 1");
        assertThatThrownBy(() -> Utf8Decoder.decode(bytes('P', 'K', 3, 4, 0, 9), 0))
                .hasMessage("looks binary: byte 4 is NUL");
    }

    /** What lenient decoders take: an overlong slash, half of a surrogate pair, a character beyond Unicode. */
    @Test
    void refusesWhatOnlyLooksLikeUtf8() {
        for (byte[] wrong : new byte[][] {bytes(0xC0, 0xAF), bytes(0xED, 0xA0, 0x80), bytes(0xF4, 0x90, 0x80, 0x80)}) {
            assertThatThrownBy(() -> Utf8Decoder.decode(wrong, 0)).isInstanceOf(NotTextException.class);
        }
    }
}
