package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.BufferPool;
import dev.kindling.allreduce.link.Peer;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class FloatsTest {
    private static final Peer PEER = new Peer(1, "host", 7, "1", "");
    private final BufferPool pool = new BufferPool();

    @Test
    void bf16TakesHalfTheBytesAndKeepsItsValues() {
        int count = 20_011;
        float[] first = new float[count];
        float[] second = new float[count];
        for (int i = 0; i < count; i++) {
            first[i] = (i - 10_000) % 128;
            second[i] = 0x1p-100f * (i % 256);
        }
        ByteBuffer whole = Floats.encode(pool, Rounding.NONE, 3, count - 3, first, second);
        ByteBuffer half = Floats.encode(pool, Rounding.BF16, 3, count - 3, first, second);
        assertThat(half.remaining()).isEqualTo(whole.remaining() / 2).isEqualTo(2 * (count - 3) * Short.BYTES);
        float[] back = new float[2 * count];
        Floats.decode(half, Rounding.BF16, back, 0, 2 * (count - 3), PEER);
        for (int i = 3; i < count; i++) {
            assertThat(back[i - 3]).isEqualTo(first[i]);
            assertThat(back[count - 3 + i - 3]).isEqualTo(second[i]);
        }
    }

    @Test
    void aMessageOfTheOtherTypeIsRefused() {
        ByteBuffer half = Floats.encode(pool, Rounding.BF16, 0, 8, new float[8]);
        assertThatThrownBy(() -> Floats.decode(half, Rounding.NONE, new float[8], 0, 8, PEER))
                .isInstanceOf(AllReduceException.class)
                .hasMessageContaining("sent 4 values where this rank has 8");
    }
}
