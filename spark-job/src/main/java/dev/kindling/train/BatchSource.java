package dev.kindling.train;

import dev.kindling.config.DataSection;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.coordinate.RankSession;
import dev.kindling.data.batch.BatchSampler;
import dev.kindling.data.batch.Documents;
import dev.kindling.data.batch.MicroBatch;
import dev.kindling.data.batch.PackedBatch;
import dev.kindling.data.batch.PackedBatchSampler;
import dev.kindling.data.batch.PackedBatchSampler.Contents;
import dev.kindling.data.batch.PackedValidation;
import dev.kindling.data.batch.Prefetcher;
import dev.kindling.data.batch.ValidationBatches;
import dev.kindling.data.batch.ValidationSet;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.exchange.RankShare;
import dev.kindling.nn.BatchShape;
import dev.kindling.storage.Retry;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.slf4j.LoggerFactory;

/**
 * How a run's shards become batches, by {@code data.packing}. What a step and the evaluation read are functions of the
 * configuration, the seed and the step alone, whatever the number of ranks.
 */
interface BatchSource {
    /** Steps, or batches of an evaluation, that are drawn ahead. */
    int AHEAD = 4;

    /** Without a read that succeeds, beyond what the store is given for one. */
    Duration SILENCE = Duration.ofSeconds(60);

    /** The shape of all batches, for training and for validation. */
    BatchShape shape();

    /** The batches of a rank for step {@code step}, counted from 0. */
    StepBatches step(long step, RankShare share);

    ValidationSet validation();

    /** How long a batch of these shards is waited for: beyond what one read is given, and as long as others succeed. */
    Prefetcher.Patience patience(RankSession member);

    /**
     * Begins to read what step {@code step} needs and returns at once: a first read of a store takes as long as the model
     * does, that is made meanwhile. What fails fails anew where the step is drawn.
     */
    default void readAhead(long step, RankShare share) {
        Thread reading = new Thread(
                () -> {
                    try {
                        step(step, share);
                    } catch (RuntimeException | Error e) {
                        LoggerFactory.getLogger(BatchSource.class).debug("step {} was not read ahead", step, e);
                    }
                },
                "kindling-read-ahead");
        reading.setDaemon(true);
        reading.start();
    }

    /** The rank's batches of steps {@code [start, end)}, drawn ahead. */
    default Prefetcher<StepBatches> prefetch(long start, long end, RankShare share, RankSession member) {
        return new Prefetcher<>(step -> step(step, share), start, end, AHEAD, patience(member));
    }

    private static Prefetcher.Patience patience(ShardSet shards, RankSession member) {
        return new Prefetcher.Patience(
                SILENCE.plus(Retry.ofSettings().patience()), shards::blocksRead, () -> member.enter("training"));
    }

    static BatchSource of(TrainConfig config, ShardSet shards) {
        return config.data().packing() == DataSection.Packing.DOCUMENTS
                ? new OfDocuments(config, shards)
                : new OfWindows(config, shards);
    }

    private static <B extends MicroBatch> List<B> own(RankShare share, IntFunction<B> sample) {
        return IntStream.range(share.first(), share.first() + share.count())
                .mapToObj(sample)
                .toList();
    }

    /** Random windows over the stream of tokens. */
    final class OfWindows implements BatchSource {
        private final ShardSet shards;
        private final BatchShape shape;
        private final BatchSampler sampler;
        private final ValidationBatches validation;

        private OfWindows(TrainConfig config, ShardSet shards) {
            this.shards = shards;
            TrainSection train = config.train();
            int T = config.model().blockSize();
            shape = BatchShape.dense(train.microBatch(), T);
            sampler = new BatchSampler(shards.tokens(CorpusSplit.TRAIN), train.microBatch(), T, train.seed());
            validation =
                    new ValidationBatches(shards.tokens(CorpusSplit.VAL), train.evalBatches(), train.microBatch(), T);
        }

        @Override
        public BatchShape shape() {
            return shape;
        }

        @Override
        public StepBatches step(long step, RankShare share) {
            return StepBatches.windows(own(share, microBatch -> sampler.sample(step, microBatch)), share);
        }

        @Override
        public ValidationSet validation() {
            return validation;
        }

        @Override
        public Prefetcher.Patience patience(RankSession member) {
            return BatchSource.patience(shards, member);
        }
    }

    /** Whole documents packed side by side. */
    final class OfDocuments implements BatchSource {
        private final ShardSet shards;
        private final TrainSection train;
        private final int T;
        private final PackedBatchSampler sampler;
        private final PackedValidation validation;

        private OfDocuments(TrainConfig config, ShardSet shards) {
            this.shards = shards;
            train = config.train();
            T = config.model().blockSize();
            sampler = new PackedBatchSampler(documents(shards, CorpusSplit.TRAIN), train.microBatch(), T, train.seed());
            validation = new PackedValidation(
                    documents(shards, CorpusSplit.VAL), train.evalBatches(), train.microBatch(), T);
        }

        private static Documents documents(ShardSet shards, String split) {
            return new Documents(shards.tokens(split), shards.documents(split));
        }

        @Override
        public BatchShape shape() {
            return new BatchShape(train.microBatch(), T, Math.max(sampler.maxSequences(), validation.maxSequences()));
        }

        @Override
        public StepBatches step(long step, RankShare share) {
            List<PackedBatch> own = own(share, microBatch -> sampler.sample(step, microBatch));
            List<Contents> all = IntStream.range(0, share.microBatches())
                    .mapToObj(microBatch -> sampler.contents(step, microBatch))
                    .toList();
            return new StepBatches(
                    own,
                    own.stream().mapToLong(OfDocuments::targets).sum(),
                    all.stream().mapToLong(Contents::targets).sum(),
                    all.stream().mapToLong(Contents::sequences).sum());
        }

        private static long targets(PackedBatch batch) {
            return Arrays.stream(batch.targets())
                    .filter(target -> target != PackedBatch.NO_TARGET)
                    .count();
        }

        @Override
        public ValidationSet validation() {
            return validation;
        }

        @Override
        public Prefetcher.Patience patience(RankSession member) {
            return BatchSource.patience(shards, member);
        }
    }
}
