package dev.kindling.train;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BestLossTest {
    @Test
    void onlyALowerLossIsBetter() {
        BestLoss best = BestLoss.NONE.or(3, 250);
        assertThat(best).isEqualTo(new BestLoss(3, 250));
        assertThat(best.or(3, 500)).isEqualTo(best);
        assertThat(best.or(Double.NaN, 500)).isEqualTo(best);
        assertThat(best.or(2.5, 500)).isEqualTo(new BestLoss(2.5, 500));
        assertThat(BestLoss.NONE.valLossIfAny()).isEmpty();
        assertThat(BestLoss.NONE.stepIfAny()).isEmpty();
    }
}
