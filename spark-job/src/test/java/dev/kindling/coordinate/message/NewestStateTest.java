package dev.kindling.coordinate.message;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class NewestStateTest {
    private static DriverReply.Start of(long committed, HeldState... held) {
        NewestState newest = new NewestState(held.length, committed);
        for (int rank = held.length - 1; rank >= 0; rank--) {
            assertThat(newest.start()).isEmpty();
            newest.add(rank, held[rank]);
        }
        return newest.start().orElseThrow();
    }

    private static HeldState whole(long step) {
        return new HeldState(step, 1, List.of(0));
    }

    @Test
    void theNewestStepThatAnyRankHoldsIsTaken() {
        DriverReply.Start start = of(40, whole(56), HeldState.NOTHING, whole(57), whole(57));
        assertThat(start).isEqualTo(new DriverReply.Start(57, 40, List.of(List.of(2, 3))));
        assertThat(NewestState.describe(start, 0))
                .isEqualTo("going on from step 57 held by 2 ranks [2, 3]; 0 finished step(s) lost");
    }

    @Test
    void memoryIsPreferredToACheckpointOfTheSameStepAndNotToANewerOne() {
        assertThat(of(57, HeldState.NOTHING, whole(57)).holders()).containsExactly(List.of(1));
        assertThat(of(60, whole(57), whole(57))).isEqualTo(new DriverReply.Start(60, 60, List.of()));
    }

    @Test
    void withoutAnythingHeldItIsTheCheckpointOrTheBeginning() {
        DriverReply.Start checkpoint = of(40, HeldState.NOTHING, HeldState.NOTHING);
        assertThat(checkpoint).isEqualTo(new DriverReply.Start(40, 40, List.of()));
        assertThat(NewestState.describe(checkpoint, 17))
                .isEqualTo("going on from step 40 of the last checkpoint; 17 finished step(s) lost");
        assertThat(NewestState.describe(of(0, HeldState.NOTHING), 17))
                .isEqualTo("going on from the beginning; 17 finished step(s) lost");
    }

    @Test
    void aStateInPartsNeedsThemAll() {
        HeldState first = new HeldState(9, 3, List.of(0, 2));
        HeldState second = new HeldState(9, 3, List.of(1, 0));
        assertThat(of(5, first, second, HeldState.NOTHING).holders())
                .containsExactly(List.of(0, 1), List.of(1), List.of(0));
        assertThat(of(5, first, new HeldState(8, 3, List.of(1, 0)), HeldState.NOTHING)
                        .step())
                .isEqualTo(5);
    }

    @Test
    void whatWasChosenStays() {
        NewestState newest = new NewestState(1, 0);
        newest.add(0, whole(3));
        newest.add(0, HeldState.NOTHING);
        assertThat(newest.start().map(DriverReply.Start::step)).isEqualTo(Optional.of(3L));
    }
}
