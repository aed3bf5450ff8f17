package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.data.token.Tokenizer;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class PassageScoreTest {
    /** Ten billion tokens at 3.3 nats: the sum has 67 bits. */
    @Test
    void aDocumentOfAnyLengthAddsUpExactlyInAnyOrder() {
        Random random = new Random(13);
        List<PassageLoss> passages = Stream.generate(() -> scored(3.3e9 * (1 + random.nextDouble()) / 10))
                .limit(100)
                .toList();
        BigInteger units = passages.stream()
                .map(passage -> BigInteger.valueOf(passage.units()))
                .reduce(BigInteger.ZERO, BigInteger::add);
        assertThat(units.bitLength()).isGreaterThan(63);
        double exact = new BigDecimal(units)
                .divide(BigDecimal.valueOf((long) PassageLoss.UNITS))
                .doubleValue();
        List<PassageScore> scores =
                new ArrayList<>(passages.stream().map(PassageScore::of).toList());
        for (int order = 0; order < 3; order++) {
            PassageScore sum = scores.stream().reduce(PassageScore::plus).orElseThrow();
            assertThat(sum.loss()).isEqualTo(exact);
            assertThat(sum.tokens()).isEqualTo(100 * 1000L);
            Collections.shuffle(scores, random);
        }
    }

    /** A passage of which only the name counts here. */
    private record Text() implements Passage {
        @Override
        public String key() {
            return id();
        }

        @Override
        public String id() {
            return "corpus.txt";
        }

        @Override
        public boolean whole() {
            return false;
        }

        @Override
        public void read(Tokenizer tokenizer, int block, Tokens to) {
            throw new UnsupportedOperationException();
        }
    }

    private static PassageLoss scored(double nats) {
        PassageLoss loss = new PassageLoss(new Text());
        loss.expect();
        loss.add(nats, 1000);
        return loss;
    }
}
