package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.attention.Sdpa;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.data.batch.Prefetcher;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.device.Device;
import dev.kindling.exchange.HeldParts;
import dev.kindling.exchange.RankLinks;
import dev.kindling.exchange.RankShare;
import dev.kindling.model.HostRoom;
import dev.kindling.model.ModelWeights;
import dev.kindling.nn.Gpt;
import dev.kindling.plan.HostPlan;
import dev.kindling.plan.MemoryFit;
import dev.kindling.report.StartClock;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DeviceMemoryException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/** The executor's loop: one rank of one generation, from the newest step that is held or saved to the last one. */
final class Trainer {
    /**
     * What a rank works with; the trainer closes none of it.
     *
     * @param ranks the ranks of the generation
     * @param seat with the device, and what an earlier rank has left
     */
    record Rank(
            RankSession member, RankLinks ranks, Seat seat, ShardSet shards, CheckpointStore store, StartClock clock) {
        Device device() {
            return seat.device();
        }
    }

    private final TrainConfig config;
    private final Rank rank;
    private final AllReduce allReduce;
    private final Device device;
    private final BatchSource source;
    private final Sdpa sdpa;
    private final Replica replica;
    private final Seat seat;
    private final Beginning beginning;
    private final ModelWeights weights;
    private final TrainStep step;
    private final RankShare share;
    private final Evaluation evaluation;
    private final Checkpoints checkpoints;
    private final PaddingCount padding;
    private final EnergyCount energy;

    /** @param arena for what this generation alone needs */
    Trainer(TrainConfig config, Rank rank, Arena arena) {
        this.config = config;
        this.rank = rank;
        allReduce = rank.ranks().allReduce();
        device = rank.device();
        seat = rank.seat();
        source = BatchSource.of(config, rank.shards());
        DriverReply.Start start = rank.member().begin(seat.held(Replica.shard(config, rank.ranks())));
        HeldParts parts = start.holders().isEmpty() ? new HeldParts() : seat.parts(start.step());
        source.readAhead(rank.member().startStep(), Replica.share(config, rank.ranks()));
        replica = replica(arena);
        if (replica.sharded()) {
            rank.member().finishesStepsTogether();
        }
        sdpa = replica.sdpa();
        weights = new ModelWeights(replica.parameters());
        beginning = new Beginning(config, rank, replica, weights, start, parts);
        share = replica.share();
        step = new TrainStep(replica, config.train().compile());
        evaluation = new Evaluation(device, replica.evaluation(), source.validation(), source.patience(rank.member()));
        padding = new PaddingCount(
                config.data().packing(),
                config.train().globalBatch(),
                config.model().blockSize());
        energy = new EnergyCount(device);
        checkpoints =
                new Checkpoints(rank, replica, weights, config.checkpoint().inMemory());
    }

    private Replica replica(Arena arena) {
        TrainedModel model = model();
        try {
            return new Replica(config, model, rank.ranks(), new Gpt.DeviceArena(device, arena));
        } catch (DeviceMemoryException e) {
            throw model.afterAll(e);
        }
    }

    private TrainedModel model() {
        try {
            return seat.model(
                    new Replica.ModelInputs(rank.shards().tokenizer().vocabSize(), source.shape()),
                    Replica.shard(config, rank.ranks()),
                    rank.ranks().worldSize());
        } catch (UnsupportedOperationException e) { // the attention backends' refusals, which no other attempt changes
            throw new FatalJobException(e.getMessage(), e);
        }
    }

    /**
     * Trains to the end, or to a checkpoint from which more ranks can go on.
     *
     * @throws DeviceMemoryException if memory runs out in spite of the plan; it says what would leave enough
     */
    TrainResult run() throws IOException {
        try {
            return train();
        } catch (DeviceMemoryException e) {
            throw replica.model().afterAll(e);
        } catch (OutOfMemoryError e) {
            if (device.kind() == Device.Kind.CPU) { // whose memory the heap is
                throw replica.model().afterAll(new DeviceMemoryException("out of memory: " + e.getMessage()));
            }
            throw e;
        }
    }

    private TrainResult train() throws IOException {
        long start = rank.member().generation().startStep();
        rank.clock().mark("model");
        String restored = beginning.restore(checkpoints.held());
        rank.clock().mark("weights");
        String memory = rank.member().rank() == 0 ? memory() : "";
        rank.member()
                .report(
                        RankReport.TOPIC,
                        new RankReport(
                                rank.member().where(),
                                memory,
                                step.transport(),
                                restored,
                                rank.clock().phases()));
        boolean more = true;
        long done = start;
        try (step;
                checkpoints;
                Prefetcher<StepBatches> batches =
                        source.prefetch(start, config.train().maxSteps(), share, rank.member())) {
            if (beginning.goesOn()) {
                goOn(start);
            }
            rank.member().enter("training");
            energy.resume();
            for (; more && !ends(done); done++) {
                more = runStep(done, batches);
            }
            energy.pause();
            rank.member().enter("waiting for the last checkpoint to be written and committed");
            checkpoints.finish(Duration.ofMillis(rank.member().limits().request())); // no peer waits any more
        }
        return new TrainResult(
                done,
                more,
                seat.best().valLoss(),
                seat.best().step(),
                device.description(),
                checkpoints.peakBytes(),
                sdpa.chosen(),
                step.transport(),
                padding.saved(),
                energy.joulesPerThousandTokens(),
                more && rank.member().rank() == 0 ? new SampleText(rank, replica, weights).write(done) : "");
    }

    private String memory() {
        MemoryFit fit = replica.fit();
        return fit.table()
                + HostPlan.ofThisProcess(fit.rank(), HostRoom.ofThisTask()).line();
    }

    /** What follows the finished step that this generation begins with, as far as an earlier one did not get to it. */
    private void goOn(long done) throws IOException {
        boolean told = allReduce.allGather(new double[] {seat.unfinished() == null ? 1 : 0})[beginning.lead()][0] == 1;
        Double valLoss = told || !isEvaluated(done) ? null : Double.valueOf(evaluate(done));
        if (beginning.leads()) {
            if (!told) {
                seat.told(seat.unfinished().evaluated(valLoss));
            }
            rank.member().request(StepReport.Finished.TOPIC, new StepReport.Finished(seat.reports()));
        }
        seat.forgetReports();
        rank.member().stepReached(done);
        if (beginning.start().committed() < done || valLoss != null) {
            saveIfDue(done);
        }
    }

    /** Whether training goes on after this step with these ranks. */
    private boolean runStep(long number, Prefetcher<StepBatches> prefetched) throws IOException {
        rank.member().check();
        checkpoints.check();
        long began = System.nanoTime();
        StepBatches batches = prefetched.next();
        long drawn = System.nanoTime();
        long done = number + 1;
        TrainStep.StepResult outcome = step.run(
                number, batches, soFar -> seat.finished(report(done, soFar, batches, new Times(began, drawn))));
        requireFinite(outcome, done);
        padding.add(batches.sequences());
        energy.add(batches.own());
        StepReport report = report(done, outcome, batches, new Times(began, drawn));
        seat.finished(report);
        StepReport whole = isEvaluated(done) ? report.evaluated(evaluate(done)) : report;
        seat.told(whole);
        rank.member().report(StepReport.TOPIC, whole);
        rank.member().stepReached(done);
        saveIfDue(done);
        boolean checkpoint = done % config.checkpoint().interval() == 0;
        return ends(done) || !checkpoint || !endsForMoreRanks();
    }

    /** When a step began and when its batches were there, by {@link System#nanoTime}. */
    private record Times(long began, long drawn) {}

    private static StepReport report(long done, TrainStep.StepResult outcome, StepBatches batches, Times times) {
        return new StepReport(
                done,
                outcome.loss(),
                batches.targets(),
                batches.own(),
                outcome.learningRate(),
                outcome.gradientNorm(),
                (times.drawn - times.began) / 1e6,
                (System.nanoTime() - times.drawn - outcome.waitedNanos()) / 1e6,
                outcome.waitedNanos() / 1e6,
                null);
    }

    private boolean isEvaluated(long done) {
        return done % config.train().evalInterval() == 0
                || done == config.train().maxSteps();
    }

    private void saveIfDue(long done) throws IOException {
        boolean checkpoint = done % config.checkpoint().interval() == 0;
        if (checkpoint || ends(done) || seat.best().step() == done) {
            rank.member().flushReports(); // a later generation begins after these steps
            if (checkpoints.takesPart()) {
                save(done);
            }
        }
    }

    /** Whether training is over after so many steps: all are done, or the loss has not improved for long enough. */
    private boolean ends(long done) {
        TrainSection train = config.train();
        return done >= train.maxSteps() || train.isExhausted(done, seat.best().step());
    }

    private double evaluate(long done) {
        RankSession member = rank.member();
        energy.pause();
        double loss = evaluation.run(allReduce, () -> member.enter("evaluation"));
        seat.best(seat.best().or(loss, done));
        energy.resume();
        member.enter("training");
        return loss;
    }

    /** All ranks agree, through rank 0, whether they end here because executors have come back. */
    private boolean endsForMoreRanks() {
        if (allReduce.worldSize() == config.cluster().executors()) {
            return false;
        }
        boolean mayEnd = rank.member().rank() == 0 && rank.member().mayEnd();
        return allReduce.broadcast(new byte[] {(byte) (mayEnd ? 1 : 0)})[0] == 1;
    }

    private void requireFinite(TrainStep.StepResult outcome, long done) {
        if (!Double.isFinite(outcome.lossSum()) || !Float.isFinite(outcome.gradientNorm())) {
            throw new FatalJobException(String.format(
                    Locale.ROOT,
                    "loss %s and gradient norm %s at step %d on rank %d are not finite, so training has diverged; the last checkpoint is kept: lower train.lr or raise train.warmup_steps",
                    outcome.lossSum(),
                    outcome.gradientNorm(),
                    done,
                    rank.member().rank()));
        }
    }

    private void save(long done) throws IOException {
        energy.pause();
        checkpoints.save(seat.state(done, allReduce.worldSize(), List.of()));
        rank.member().enter("training");
        energy.resume();
    }
}
