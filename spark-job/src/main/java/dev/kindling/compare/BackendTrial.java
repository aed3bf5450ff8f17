package dev.kindling.compare;

import dev.kindling.attention.Sdpa;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.data.batch.Batch;
import dev.kindling.device.Device;
import dev.kindling.device.Replay;
import dev.kindling.exchange.RankLinks;
import dev.kindling.exchange.RankShare;
import dev.kindling.nn.Gpt;
import dev.kindling.profile.OperatorTable;
import dev.kindling.profile.Profiler;
import dev.kindling.tensor.Arena;
import dev.kindling.train.EnergyCount;
import dev.kindling.train.ProfiledTraining;
import dev.kindling.train.Replica;
import dev.kindling.train.StepBatches;
import dev.kindling.train.TrainStep;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * One attention backend on one rank: a replica that stays on the device until all rounds are measured. Eager and compiled
 * steps share the replica; the warm-up of each starts from the same initial weights.
 */
final class BackendTrial implements AutoCloseable {
    private static final ProfiledTraining.WarmUp PROFILED_WARM_UP = new ProfiledTraining.WarmUp(2, Duration.ZERO);
    private static final int PROFILED_STEPS = 3;

    private final TrainConfig config;
    private final Device device;
    private final Arena arena;
    private final Replica replica;
    private final Gpt inference;
    private final List<TimedStep> timedSteps;
    private final long bytes;
    private final double attentionShare;

    /**
     * Profiles the backend, then builds the replica and runs one micro-batch, so that all memory is taken.
     *
     * @param config with the backend by name
     * @param compile for each of its values there is a timed step, compiled or eager
     * @throws UnsupportedOperationException if the backend cannot run
     * @throws dev.kindling.tensor.DeviceMemoryException if the device has too little memory
     */
    BackendTrial(TrainConfig config, List<Boolean> compile, int vocabulary, RankLinks ranks, Device device) {
        this.config = config;
        this.device = device;
        attentionShare = profiledAttentionShare(config, vocabulary, ranks, device);
        long before = device.allocatedBytes();
        arena = device.arena("comparison, " + config.cluster().attention());
        try {
            replica = new Replica(
                    config, Replica.ModelInputs.windows(config, vocabulary), ranks, new Gpt.DeviceArena(device, arena));
            restart();
            replica.rehearse();
            timedSteps = compile.stream().map(TimedStep::new).toList();
            bytes = device.allocatedBytes() - before;
            inference = replica.evaluation();
        } catch (RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    /** Attention's share of the time of an eager step's operators, on this rank alone, with as many sequences as it has. */
    private static double profiledAttentionShare(TrainConfig config, int vocabulary, RankLinks ranks, Device device) {
        TrainSection train = config.train();
        int microBatches = RankShare.of(train.microBatches(), ranks.rank(), ranks.worldSize(), train.seed())
                .count();
        TrainConfig alone = config.withTrain(section -> section.withGlobalBatch(microBatches * section.microBatch()));
        try (Profiler profiler = new Profiler(device)) {
            ProfiledTraining.ProfiledRun outcome =
                    ProfiledTraining.run(alone, vocabulary, profiler, PROFILED_WARM_UP, PROFILED_STEPS);
            return OperatorTable.of(outcome.spans()).attentionShare();
        }
    }

    /** Attention's share of the time of a step's operators, in [0, 1]. */
    double attentionShare() {
        return attentionShare;
    }

    /** Device memory that the training step holds. */
    long bytes() {
        return bytes;
    }

    Sdpa sdpa() {
        return replica.sdpa();
    }

    RankShare share() {
        return replica.share();
    }

    /** Sets the weights to the initial ones, the same for every backend, and the moments of AdamW and what FP8 has seen to 0. */
    private void restart() {
        replica.parameters().initialise(config.train().seed());
        device.ops().fill(replica.adamW().firstMoments(), 0);
        device.ops().fill(replica.adamW().secondMoments(), 0);
        replica.gpt().fp8().ifPresent(fp8 -> device.ops().fill(fp8.history(), 0));
    }

    /** This backend's step for each of the values of {@code compile}, in their order. */
    List<TimedStep> timedSteps() {
        return timedSteps;
    }

    @Override
    public void close() {
        timedSteps.forEach(TimedStep::close);
        arena.close();
    }

    /** The training step and the forward pass of this backend, eager or compiled, as they are timed. */
    final class TimedStep {
        private final boolean compiled;
        private final TrainStep step;
        private Replay forward;
        private long next;

        private TimedStep(boolean compiled) {
            this.compiled = compiled;
            step = new TrainStep(replica, compiled);
        }

        boolean compiled() {
            return compiled;
        }

        /** What carries the gradients. */
        String transport() {
            return step.transport();
        }

        BackendTrial trial() {
            return BackendTrial.this;
        }

        /**
         * Trains from the initial weights, untimed, then runs forward until it is captured.
         *
         * @return for each step the sum of the losses of this rank's tokens, in nats
         */
        List<Double> warmUp(List<List<Batch>> steps, Runnable betweenSteps) {
            restart();
            List<Double> lossSums = new ArrayList<>();
            for (List<Batch> batches : steps) {
                lossSums.add(step.run(next++, StepBatches.windows(batches, replica.share()))
                        .lossSum());
                betweenSteps.run();
            }
            // Twice, so that what is captured has been run.
            forward(steps.get(0));
            if (compiled) {
                forward = device.capture(this::forward);
            }
            forward(steps.get(0));
            return lossSums;
        }

        /** Runs one training step for each list of batches; returns the mean wall time of a step in milliseconds. */
        double stepMillis(List<List<Batch>> steps, Runnable betweenSteps) {
            long began = System.nanoTime();
            for (List<Batch> batches : steps) {
                step.run(next++, StepBatches.windows(batches, replica.share()));
                betweenSteps.run();
            }
            return (System.nanoTime() - began) / 1e6 / steps.size();
        }

        /**
         * Runs one training step for each list of batches, {@code turns} times over; returns what this rank's device draws
         * for a thousand tokens of its own in joules, or null without a turn or where it has no counter.
         */
        Double joulesPerThousandTokens(List<List<Batch>> steps, int turns, Runnable betweenSteps) {
            EnergyCount energy = new EnergyCount(device);
            energy.resume();
            for (int turn = 0; turn < turns; turn++) {
                stepMillis(steps, betweenSteps);
                energy.add((long) steps.size()
                        * replica.share().count()
                        * config.train().microBatch()
                        * config.model().blockSize());
            }
            energy.pause();
            return energy.joulesPerThousandTokens();
        }

        /** As {@link #stepMillis}, for forward with loss, as in evaluation: no dropout, nothing kept for backward. */
        double forwardMillis(List<List<Batch>> steps, Runnable betweenSteps) {
            long began = System.nanoTime();
            for (List<Batch> batches : steps) {
                forward(batches);
                betweenSteps.run();
            }
            return (System.nanoTime() - began) / 1e6 / steps.size();
        }

        private void forward(List<Batch> batches) {
            float[] lossSum = new float[1];
            for (Batch batch : batches) {
                inference.load(batch.inputs(), batch.targets());
                if (forward == null) {
                    forward();
                } else {
                    forward.run();
                }
                device.download(inference.lossSum(), lossSum);
            }
        }

        private void forward() {
            device.ops().fill(inference.lossSum(), 0);
            inference.forward();
            inference.evaluate();
        }

        private void close() {
            if (forward != null) {
                forward.close();
            }
            step.close();
        }
    }
}
