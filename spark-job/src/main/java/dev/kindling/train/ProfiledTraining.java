package dev.kindling.train;

import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.data.batch.Batch;
import dev.kindling.device.Device;
import dev.kindling.exchange.RankLinks;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.profile.Profiler;
import dev.kindling.profile.Span;
import dev.kindling.tensor.Arena;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/**
 * A configuration's training step under a profiler: one rank takes all micro-batches, of random tokens, and the step is
 * not compiled, since a graph's operators have no times of their own.
 */
public final class ProfiledTraining {
    /**
     * What the timed steps gave.
     *
     * @param loss of the last step, a mean over its tokens
     * @param stepMillis of wall time, a mean over the timed steps
     * @param attention the backends that ran
     * @param joulesPerThousandTokens what the device drew, over the timed steps and those before them but for the least
     *     number of warm-up steps; null where it has no counter
     */
    public record ProfiledRun(
            List<Span> spans,
            double loss,
            double stepMillis,
            int tokensPerStep,
            String attention,
            Double joulesPerThousandTokens) {}

    /**
     * Untimed steps before the timed ones, in which the JVM compiles what runs often.
     *
     * @param steps the least number of them
     * @param time the least time that they take together
     */
    public record WarmUp(int steps, Duration time) {}

    private ProfiledTraining() {}

    /**
     * Warms up, then times {@code steps}.
     *
     * @param vocabulary of the random tokens and the model
     */
    public static ProfiledRun run(TrainConfig config, int vocabulary, Profiler profiler, WarmUp warmUp, int steps) {
        Device device = profiler.device();
        TrainSection train = config.train();
        GptConfig model = GptConfigs.of(config.model(), vocabulary);
        int tokens = train.globalBatch() * model.blockSize();
        try (Arena arena = device.arena("profile")) {
            Gpt.DeviceArena memory = new Gpt.DeviceArena(device, arena);
            Replica replica =
                    new Replica(config, Replica.ModelInputs.windows(config, vocabulary), RankLinks.alone(), memory);
            replica.parameters().initialise(train.seed());
            try (TrainStep step = new TrainStep(replica, false)) {
                StepBatches batches = StepBatches.windows(batches(train, model), replica.share());
                EnergyCount energy = new EnergyCount(device);
                int untimed = warmUp(step, batches, profiler, warmUp, energy);
                long began = System.nanoTime();
                double loss = 0;
                for (int i = 0; i < steps; i++) {
                    loss = step.run(untimed + i, batches).lossSum() / tokens;
                }
                double millis = (System.nanoTime() - began) / 1e6 / steps;
                energy.pause();
                energy.add((untimed - warmUp.steps() + steps) * (long) tokens);
                return new ProfiledRun(
                        profiler.read(),
                        loss,
                        millis,
                        tokens,
                        replica.sdpa().chosen(),
                        energy.joulesPerThousandTokens());
            }
        }
    }

    /** Returns how many steps that took; energy is counted from the least number of them on. */
    private static int warmUp(
            TrainStep step, StepBatches batches, Profiler profiler, WarmUp warmUp, EnergyCount energy) {
        long began = System.nanoTime();
        int steps = 0;
        while (steps < warmUp.steps()
                || System.nanoTime() - began < warmUp.time().toNanos()) {
            step.run(steps++, batches);
            profiler.read();
            if (steps == warmUp.steps()) {
                energy.resume();
            }
        }
        return steps;
    }

    private static List<Batch> batches(TrainSection train, GptConfig model) {
        Random random = new Random(train.seed());
        int rows = train.microBatch() * model.blockSize();
        return Stream.generate(() -> new Batch(
                        random.ints(rows, 0, model.vocabulary()).toArray(),
                        random.ints(rows, 0, model.vocabulary()).toArray(),
                        train.microBatch(),
                        model.blockSize()))
                .limit(train.microBatches())
                .toList();
    }
}
