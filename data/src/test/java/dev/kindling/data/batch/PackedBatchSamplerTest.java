package dev.kindling.data.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.ArrayTokens;
import dev.kindling.data.shard.DocumentIndex;
import dev.kindling.data.shard.DocumentLengths;
import dev.kindling.data.shard.TokenSequence;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PackedBatchSamplerTest {
    private static final long[] LENGTHS = {3, 1, 40, 7, 13, 2, 1, 207, 14};
    private static final DocumentIndex INDEX = DocumentLengths.index(LENGTHS);
    private static final TokenSequence TOKENS =
            ArrayTokens.of(IntStream.range(0, 288).toArray());

    @ParameterizedTest
    @CsvSource({"1,1", "1,2", "4,13", "3,64", "1,300", "7,5"})
    void neverCrossesADocument(int B, int T) {
        PackedBatchSampler sampler = sampler(B, T, 1337);
        for (int step = 0; step < 100; step++) {
            PackedBatch batch = sampler.sample(step, step % 4);
            int[] cumulative = batch.cumulativeLengths();
            assertThat(cumulative[0]).isZero();
            assertThat(cumulative[sequences(batch)]).isEqualTo(B * T);
            int longest = 0;
            for (int sequence = 0; sequence < sequences(batch); sequence++) {
                checkSequence(batch, cumulative[sequence], cumulative[sequence + 1], T);
                longest = Math.max(longest, cumulative[sequence + 1] - cumulative[sequence]);
            }
            assertThat(batch.maxLength()).isEqualTo(longest);
            assertThat(Arrays.stream(batch.targets()).max().getAsInt())
                    .as("something to learn")
                    .isNotNegative();
        }
    }

    private static int documentOf(int token) {
        long end = 0;
        int document = 0;
        while ((end += LENGTHS[document]) <= token) {
            document++;
        }
        return document;
    }

    private static void checkSequence(PackedBatch batch, int from, int to, int T) {
        int first = batch.inputs()[from];
        int document = documentOf(first);
        assertThat(to - from).isBetween(1, T);
        DocumentIndex.Span span = INDEX.at(first);
        if (LENGTHS[document] <= T) {
            assertThat(first).as("begins at its document's beginning").isEqualTo((int) span.start());
        }
        for (int i = from; i < to; i++) {
            int token = first + i - from;
            assertThat(batch.inputs()[i]).isEqualTo(token);
            assertThat(batch.positions()[i]).isEqualTo(i - from);
            assertThat(documentOf(token)).isEqualTo(document);
            boolean ends = token + 1 == span.end();
            assertThat(batch.targets()[i]).isEqualTo(ends ? PackedBatch.NO_TARGET : token + 1);
        }
    }

    private static int sequences(PackedBatch batch) {
        return batch.cumulativeLengths().length - 1;
    }

    @Test
    void isAPureFunctionOfSeedStepAndMicroBatch() {
        PackedBatch one = sampler(4, 13, 7).sample(3, 2);
        PackedBatchSampler other = sampler(4, 13, 7);
        other.sample(0, 0);
        PackedBatch same = other.sample(3, 2);
        assertThat(same.inputs()).isEqualTo(one.inputs());
        assertThat(same.targets()).isEqualTo(one.targets());
        assertThat(same.cumulativeLengths()).isEqualTo(one.cumulativeLengths());
        assertThat(other.sample(3, 1).inputs()).isNotEqualTo(one.inputs());
        assertThat(other.sample(4, 2).inputs()).isNotEqualTo(one.inputs());
        assertThat(sampler(4, 13, 8).sample(3, 2).inputs()).isNotEqualTo(one.inputs());
    }

    @Test
    void contentsAreThoseOfTheSample() {
        PackedBatchSampler sampler = sampler(4, 13, 7);
        for (int step = 0; step < 20; step++) {
            PackedBatch batch = sampler.sample(step, 1);
            long targets = Arrays.stream(batch.targets())
                    .filter(target -> target != PackedBatch.NO_TARGET)
                    .count();
            assertThat(sampler.contents(step, 1)).isEqualTo(new PackedBatchSampler.Contents(sequences(batch), targets));
        }
    }

    @Test
    void aBatchOfTooManyShortDocumentsHasARestWithoutTargets() {
        long[] lengths = new long[1001];
        Arrays.fill(lengths, 2);
        lengths[0] = 1000;
        TokenSequence tokens = ArrayTokens.of(IntStream.range(0, 3000).toArray());
        PackedBatchSampler sampler =
                new PackedBatchSampler(new Documents(tokens, DocumentLengths.index(lengths)), 1, 64, 1);
        assertThat(sampler.maxSequences()).isEqualTo(14);
        int unfilled = 0;
        for (int step = 0; step < 2000; step++) {
            PackedBatch batch = sampler.sample(step, 0);
            assertThat(sequences(batch)).isLessThanOrEqualTo(sampler.maxSequences());
            assertThat(batch.cumulativeLengths()[sequences(batch)]).isEqualTo(64);
            int rest = 64 - 2 * (sampler.maxSequences() - 1);
            if (IntStream.range(64 - rest, 64).allMatch(i -> batch.targets()[i] == PackedBatch.NO_TARGET)) {
                unfilled++;
                assertThat(batch.positions()[63]).isEqualTo(rest - 1);
            }
        }
        assertThat(unfilled).isBetween(1, 100);
    }

    @Test
    void validationReadsEveryTargetOfEveryDocumentOnce() {
        PackedValidation validation = new PackedValidation(new Documents(TOKENS, INDEX), 100, 2, 13);
        int[] seen = new int[288];
        long targets = 0;
        for (int i = 0; i < validation.count(); i++) {
            PackedBatch batch = validation.batch(i);
            assertThat(sequences(batch)).isLessThanOrEqualTo(validation.maxSequences());
            for (int row = 0; row < 26; row++) {
                if (batch.targets()[row] != PackedBatch.NO_TARGET) {
                    assertThat(batch.targets()[row]).isEqualTo(batch.inputs()[row] + 1);
                    seen[batch.targets()[row]]++;
                    targets++;
                }
            }
        }
        assertThat(validation.targets()).isEqualTo(targets).isEqualTo(288 - LENGTHS.length);
        assertThat(Arrays.stream(seen).max().getAsInt()).isEqualTo(1);
        PackedValidation few = new PackedValidation(new Documents(TOKENS, INDEX), 3, 2, 13);
        assertThat(few.count()).isEqualTo(3);
        assertThat(documentOf(few.batch(2).inputs()[0]))
                .as("spread over the split")
                .isEqualTo(7);
    }

    @Test
    void drawsDocumentsInProportionToTheirTokens() {
        int[] counts = new int[LENGTHS.length];
        PackedBatchSampler sampler = sampler(1, 300, 3);
        for (int step = 0; step < 4000; step++) {
            counts[documentOf(sampler.sample(step, 0).inputs()[0])]++;
        }
        assertThat(counts[1] + counts[6]).as("single tokens").isZero();
        assertThat(counts[7] / 4000.0).isBetween(207 / 286.0 - 0.03, 207 / 286.0 + 0.03);
        assertThat(Arrays.stream(counts).filter(count -> count > 0).count()).isEqualTo(7);
    }

    @Test
    void refusesDocumentsWithNothingToPredict() {
        assertThatThrownBy(() -> new PackedBatchSampler(
                        new Documents(ArrayTokens.of(1, 2), DocumentLengths.index(1, 1)), 1, 4, 0))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("none of the training split's 2 documents has two tokens");
        assertThatThrownBy(() -> sampler(0, 4, 0)).isInstanceOf(DataException.class);
    }

    /** What is drawn must stay what it was, or a resumed run would not be the same: golden values of version 0.2. */
    @Test
    void theDrawsOfASeedAreSettled() {
        Random random = new Random(11);
        long[] lengths = new long[3000];
        for (int i = 0; i < lengths.length; i++) {
            lengths[i] = random.nextInt(4) == 0 ? 1 : 1 + random.nextInt(random.nextInt(20) == 0 ? 40000 : 300);
        }
        int[] ids = IntStream.range(0, (int) LongStream.of(lengths).sum()).toArray();
        Documents documents = new Documents(ArrayTokens.of(ids), DocumentLengths.index(lengths));
        PackedBatchSampler sampler = new PackedBatchSampler(documents, 3, 128, 5);
        assertThat(sampler.maxSequences()).isEqualTo(16);
        int drawn = 0;
        for (int step = 0; step < 200; step++) {
            for (int microBatch = 0; microBatch < 3; microBatch++) {
                drawn = 31 * drawn
                        + Arrays.hashCode(sampler.sample(step, microBatch).inputs());
            }
        }
        assertThat(drawn).isEqualTo(1209743366);
        PackedValidation validation = new PackedValidation(documents, 7, 2, 64);
        int chosen = 0;
        for (int i = 0; i < validation.count(); i++) {
            chosen = 31 * chosen + Arrays.hashCode(validation.batch(i).inputs());
        }
        assertThat(chosen).isEqualTo(-1887473695);
    }

    private static PackedBatchSampler sampler(int B, int T, long seed) {
        return new PackedBatchSampler(new Documents(TOKENS, INDEX), B, T, seed);
    }
}
