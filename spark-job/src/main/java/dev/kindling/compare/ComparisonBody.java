package dev.kindling.compare;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.config.EnumText;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.GenerationBody;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.Topic;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.device.Device;
import dev.kindling.device.PeakRate;
import dev.kindling.device.cuda.collective.CollectiveException;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.exchange.GpuRendezvous;
import dev.kindling.exchange.RankLinks;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.report.RankMeasurement;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkEnv;

/**
 * What every rank of a comparison does: runs its part of the training step with each backend, together with the other
 * ranks, and tells the driver what it measured.
 *
 * @param config of the training step; the plan's lengths and backends take the place of its own
 * @param shards the folder of shards
 */
public record ComparisonBody(TrainConfig config, ComparisonPlan plan, String shards) implements GenerationBody {
    /** What rank 0 does now, for people. */
    static final Topic<String> PROGRESS = new Topic<>("progress", String.class);

    /** What each rank measured, at the end. */
    static final Topic<RankMeasurement> MEASUREMENT = new Topic<>("measurement", RankMeasurement.class);

    @Override
    public byte[] run(RankSession session, AllReduce allReduce) throws IOException {
        session.enter("opening the device and the shards");
        try (Device device = ExecutorDevice.open(config, session);
                Collectives gpus =
                        GpuRendezvous.open(config, session, allReduce, device).orElse(null)) {
            ShardSet set = ShardPreparation.open(shards, Storage.settings());
            allReduce.barrier(); // so that all ranks of a host load it while peaks are measured
            PeakRate peak = device.peakRate();
            BackendComparison comparison = new BackendComparison(
                    plan,
                    set.tokens(CorpusSplit.TRAIN),
                    set.tokenizer().vocabSize(),
                    new RankLinks(allReduce, Optional.ofNullable(gpus)),
                    device,
                    session);
            List<RankMeasurement.Case> cases = new ArrayList<>();
            for (int length : plan.lengths()) {
                cases.addAll(comparison.measure(config.withModel(model -> model.withBlockSize(length))));
            }
            SparkEnv env = SparkEnv.get();
            RankMeasurement measurement = new RankMeasurement(
                    session.rank(),
                    env.blockManager().blockManagerId().host(),
                    env.executorId(),
                    device.description(),
                    EnumText.of(device.precision()),
                    peak.flops().orElse(0),
                    peak.basis(),
                    cases);
            session.request(MEASUREMENT, measurement);
            return new byte[0];
        } catch (DataException e) {
            throw new FatalJobException(e.getMessage(), e);
        } catch (CollectiveException e) {
            // As a rule the consequence of another rank's end.
            throw new AllReduceException(e.getMessage(), e);
        }
    }
}
