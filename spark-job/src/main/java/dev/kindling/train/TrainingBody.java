package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.GenerationBody;
import dev.kindling.coordinate.JobPlace;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.HeapShortage;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.data.DataException;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.device.cuda.collective.CollectiveException;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.exchange.GpuRendezvous;
import dev.kindling.exchange.RankLinks;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.report.StartClock;
import dev.kindling.run.RunDirectory;
import dev.kindling.storage.NoSpaceException;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DeviceMemoryException;
import dev.kindling.train.checkpoint.Rescue;
import java.io.IOException;
import java.util.Optional;
import org.apache.spark.SparkEnv;

/**
 * What every rank of a training run does: opens its device, its shards and the checkpoint to start from, and trains.
 *
 * @param run the run directory
 * @param shards the folder of shards
 * @param training that owns the run directory
 */
public record TrainingBody(TrainConfig config, String run, String shards, String training) implements GenerationBody {
    @Override
    public byte[] run(RankSession member, AllReduce allReduce) throws IOException {
        StartClock clock = StartClock.now();
        member.enter("opening the device and the shards");
        Seat seat = Seat.take(config, member);
        clock.mark("device");
        boolean leaves = true;
        try {
            TrainResult result = train(member, allReduce, seat, clock);
            leaves = !result.ended();
            return MessageCodec.encode(result);
        } catch (CheckpointException | DataException | NoSpaceException | DeviceMemoryException e) {
            // What is damaged, or does not fit, will be so at the next attempt.
            leaves = false;
            throw HeapShortage.among(e, SparkEnv.get().conf())
                    .orElseGet(() -> new FatalJobException(e.getMessage(), e));
        } catch (FatalJobException | ConfigException | PathException e) {
            leaves = false;
            throw e;
        } catch (OutOfMemoryError e) {
            leaves = false;
            throw HeapShortage.among(e, SparkEnv.get().conf()).orElseThrow();
        } catch (CollectiveException e) {
            // As a rule the consequence of another rank's end.
            throw new AllReduceException(e.getMessage(), e);
        } finally {
            if (leaves) {
                seat.leave(member.place());
            } else {
                seat.close();
            }
        }
    }

    /** Opens device and shards, builds the model and runs a micro-batch, so that kernels are loaded and code is warm. */
    @Override
    public void prepare(JobPlace place) throws IOException {
        Seat seat = Seat.take(config, place);
        boolean ready = false;
        try {
            ShardSet set = seat.shards(shards);
            if (seat.isEmpty() && config.train().zero() == 0) { // else the model depends on the rank
                TrainedModel model = seat.model(
                        new Replica.ModelInputs(
                                set.tokenizer().vocabSize(),
                                BatchSource.of(config, set).shape()),
                        OptimizerShard.WHOLE,
                        config.cluster().executors());
                try (Arena arena = seat.device().arena("rehearsal")) {
                    seat.device().ops().fill(model.parameters().working(), 0);
                    new Replica(config, model, RankLinks.alone(), new Gpt.DeviceArena(seat.device(), arena)).rehearse();
                }
            }
            ready = true;
        } finally {
            if (ready) {
                seat.leave(place);
            } else {
                seat.close();
            }
        }
    }

    private TrainResult train(RankSession member, AllReduce allReduce, Seat seat, StartClock clock) throws IOException {
        try (Arena arena = seat.device().arena("generation");
                Collectives gpus = GpuRendezvous.open(config, member, allReduce, seat.device())
                        .orElse(null)) {
            clock.mark("peers");
            ShardSet set = seat.shards(shards);
            clock.mark("shards");
            RunDirectory directory = RunDirectory.at(run, Storage.settings());
            CheckpointStore store = directory.checkpoints(config.checkpoint().keep());
            seat.rescue(new Rescue(
                    store.rescued(),
                    () -> directory.isOwnedBy(training),
                    store::newestStep,
                    member.rank(),
                    allReduce.worldSize()));
            Trainer.Rank rank = new Trainer.Rank(
                    member, new RankLinks(allReduce, Optional.ofNullable(gpus)), seat, set, store, clock);
            return new Trainer(config, rank, arena).run();
        }
    }
}
