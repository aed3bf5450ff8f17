package dev.kindling.device;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention over 8192 and 32768 tokens: row numbers, offsets and dropout's counters far beyond 16 bits. */
public interface LongSequencesContract extends OpsUnderTest {
    @ParameterizedTest
    @CsvSource({"8192, 0.2", "32768, 0"})
    default void everyRowOfALongSequenceSeesAllBeforeIt(int length, float dropout) {
        OpsFixture f = fixture();
        new LongSequences(f, length, new Dropout(dropout, 3)).check(f.ops().flash());
    }
}
