package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

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
        BigInteger units = passages.stream().map(PassageScoreTest::units).reduce(BigInteger.ZERO, BigInteger::add);
        assertThat(units.bitLength()).isGreaterThan(63);
        double exact = new BigDecimal(units)
                .divide(BigDecimal.valueOf((long) PassageScore.UNITS))
                .doubleValue();
        List<PassageScore> scores =
                new ArrayList<>(passages.stream().map(PassageLoss::score).toList());
        for (int order = 0; order < 3; order++) {
            PassageScore sum = scores.stream().reduce(PassageScore::plus).orElseThrow();
            assertThat(sum.loss()).isEqualTo(exact);
            assertThat(sum.tokens()).isEqualTo(100 * 1000L);
            Collections.shuffle(scores, random);
        }
    }

    /** A compressed file is one passage, however long: a hundred million windows' losses go to one sum. */
    @Test
    void aPassageOfTenBillionTokensDoesNotOverflow() {
        PassageLoss one = new PassageLoss(TextDocument.of(0, "text"));
        BigInteger units = BigInteger.ZERO;
        for (int i = 0; i < 100; i++) {
            PassageLoss part = scored(3.3e8 + i / 7.0);
            units = units.add(units(part));
            one.expect();
            one.add(3.3e8 + i / 7.0, 100_000_000);
        }
        assertThat(units.bitLength()).isGreaterThan(63);
        assertThat(units(one)).isEqualTo(units);
        PassageScore score = one.score();
        assertThat(score.tokens()).isEqualTo(10_000_000_000L);
        assertThat(score.loss())
                .isEqualTo(new BigDecimal(units)
                        .divide(BigDecimal.valueOf((long) PassageScore.UNITS))
                        .doubleValue());
    }

    private static BigInteger units(PassageLoss passage) {
        return BigInteger.valueOf(passage.score().nats())
                .multiply(BigInteger.valueOf((long) PassageScore.UNITS))
                .add(BigInteger.valueOf(passage.score().units()));
    }

    private static PassageLoss scored(double nats) {
        PassageLoss loss = new PassageLoss(TextDocument.of(0, "text"));
        loss.expect();
        loss.add(nats, 1000);
        return loss;
    }
}
