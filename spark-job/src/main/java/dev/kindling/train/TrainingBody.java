package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.RescuedCheckpoints;
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
        } catch (IOException | RuntimeException | Error e) {
            Throwable meaning = meaning(e);
            leaves = !(meaning instanceof FatalJobException
                    || meaning instanceof ConfigException
                    || meaning instanceof PathException);
            if (meaning != e) {
                throw (RuntimeException) meaning;
            }
            throw e;
        } finally {
            if (leaves) {
                seat.leave(member.place());
            } else {
                seat.close();
            }
        }
    }

    /** What a failure means for the job: an error that no attempt cures, the end of another rank, or itself. */
    private static Throwable meaning(Throwable failure) {
        if (failure instanceof OutOfMemoryError) {
            return HeapShortage.among(failure, SparkEnv.get().conf()).orElseThrow();
        }
        if (failure instanceof CheckpointException
                || failure instanceof DataException
                || failure instanceof NoSpaceException
                || failure instanceof DeviceMemoryException) {
            // What is damaged, or does not fit, will be so at the next attempt.
            return HeapShortage.among(failure, SparkEnv.get().conf())
                    .orElseGet(() -> new FatalJobException(failure.getMessage(), failure));
        }
        // Of the exchange between GPUs: as a rule the consequence of another rank's end.
        return failure instanceof CollectiveException ? new AllReduceException(failure.getMessage(), failure) : failure;
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
            try {
                return train(member, new RankLinks(allReduce, Optional.ofNullable(gpus)), seat, arena, clock);
            } catch (IOException | RuntimeException | Error e) {
                member.failing(meaning(e));
                throw e;
            }
        }
    }

    private TrainResult train(RankSession member, RankLinks ranks, Seat seat, Arena arena, StartClock clock)
            throws IOException {
        ShardSet set = seat.shards(shards);
        clock.mark("shards");
        RunDirectory directory = RunDirectory.at(run, Storage.settings());
        CheckpointStore store = directory.checkpoints(config.checkpoint().keep());
        Rescue rescue = new Rescue(
                store.rescued(),
                () -> directory.isOwnedBy(training),
                store::newestStep,
                new RescuedCheckpoints.Writer(training, member.rank(), ranks.worldSize()));
        seat.rescue(rescue);
        member.place().notice(rescue);
        return new Trainer(config, new Trainer.Rank(member, ranks, seat, set, store, clock), arena).run();
    }
}
