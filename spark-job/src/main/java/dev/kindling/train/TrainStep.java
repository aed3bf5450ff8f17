package dev.kindling.train;

import dev.kindling.allreduce.Rounding;
import dev.kindling.data.batch.MicroBatch;
import dev.kindling.device.Device;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.exchange.GradientExchange;
import dev.kindling.exchange.GradientSum;
import dev.kindling.exchange.RankShare;
import dev.kindling.exchange.WeightUpdate;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.CosineSchedule;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * One step of one rank: forward and backward over its micro-batches, the sum of gradients over all ranks, the update.
 * The gradient is the mean over all targets of the global batch.
 *
 * <p>On CUDA with {@code compile} each stage of a step runs eagerly the first time, which loads its kernels and libraries; the
 * second time it is captured, and from then on replayed. Sums from device to device are captured with the backward pass
 * that they run beside.
 */
public final class TrainStep implements AutoCloseable {
    /**
     * The parts of a step.
     *
     * @param rounding of a step's gradients on their way, by its number
     * @param compile whether to capture the stages
     */
    record Parts(
            Device device,
            Gpt gpt,
            Parameters parameters,
            AdamW adamW,
            WeightUpdate update,
            CosineSchedule schedule,
            GradientSum sum,
            GradientExchange exchange,
            LongFunction<Rounding> rounding,
            boolean compile) {}

    /**
     * What a step gave.
     *
     * @param lossSum over this rank's rows
     * @param gradientNorm of the summed gradient, before clipping
     * @param waitedNanos for the gradients of other ranks, on the host
     */
    public record StepResult(double lossSum, float gradientNorm, float learningRate, long waitedNanos) {}

    private final Parts parts;
    private final RankShare share;
    private final boolean compile;
    private final Stage begin = new Stage(this::begin);
    private final Stage microBatch = new Stage(this::microBatch);
    private final Map<Rounding, Stage> lastMicroBatch = new EnumMap<>(Rounding.class);
    private final Stage update = new Stage(this::update);

    TrainStep(Parts parts, RankShare share) {
        this.parts = parts;
        this.share = share;
        compile = parts.compile() && parts.device().kind() == Device.Kind.CUDA;
        for (Rounding rounding : Rounding.values()) {
            lastMicroBatch.put(rounding, new Stage(() -> lastMicroBatch(rounding)));
        }
    }

    /**
     * Runs step number {@code step}, counted from 0.
     *
     * @param stepBatches this rank's part of the global batch
     */
    public StepResult run(long step, StepBatches stepBatches) {
        List<? extends MicroBatch> batches = stepBatches.microBatches();
        if (batches.size() != share.count()) {
            throw new IllegalArgumentException(
                    "rank has %d micro-batches and got %d".formatted(share.count(), batches.size()));
        }
        float learningRate = parts.schedule().at(step);
        Rounding rounding = parts.rounding().apply(step);
        parts.device().setStep(inputs(step, learningRate, stepBatches.targets()));
        begin.run();
        for (int i = 0; i < batches.size(); i++) {
            StepBatches.load(parts.gpt(), batches.get(i));
            if (i == batches.size() - 1) {
                lastMicroBatch.get(rounding).run();
            } else {
                microBatch.run();
                parts.sum().next(i);
            }
        }
        if (!parts.exchange().onDevice()) {
            parts.exchange().finish(rounding);
        }
        if (parts.update().onDevice()) {
            update.run();
        } else {
            update();
        }
        return new StepResult(
                parts.sum().lossSum(),
                parts.device().gradientNorm(),
                learningRate,
                parts.exchange().waitedNanos());
    }

    /** What carries the gradients: driver, ring, nccl; single where there is one rank. */
    public String transport() {
        return parts.exchange().name();
    }

    private StepInputs inputs(long step, float learningRate, long targets) {
        return new StepInputs(
                share.seed(),
                step * share.microBatches() + share.first(),
                learningRate,
                parts.adamW().beta1Correction(step),
                parts.adamW().beta2Correction(step),
                1f / targets);
    }

    private void begin() {
        parts.device().ops().fill(parts.parameters().gradients(), 0);
        parts.device().ops().fill(parts.gpt().lossSum(), 0);
    }

    private void microBatch() {
        parts.gpt().forward();
        parts.gpt().backward(bucket -> {});
        parts.device().ops().nextMicroBatch();
    }

    private void lastMicroBatch(Rounding rounding) {
        parts.gpt().forward();
        parts.gpt().backward(bucket -> {
            parts.sum().complete(parts.parameters().buckets().get(bucket));
            parts.exchange().bucketReady(bucket, rounding);
        });
        parts.device().ops().nextMicroBatch();
        if (parts.exchange().onDevice()) {
            parts.exchange().finish(rounding);
        }
    }

    private void update() {
        parts.update().run();
    }

    @Override
    public void close() {
        begin.close();
        microBatch.close();
        lastMicroBatch.values().forEach(Stage::close);
        update.close();
    }

    /** A part of the step that is captured when it has run once. */
    private final class Stage {
        private final Runnable work;
        private boolean warm;
        private Replay replay;

        Stage(Runnable work) {
            this.work = work;
        }

        void run() {
            if (!compile || !warm) {
                work.run();
                warm = true;
                return;
            }
            if (replay == null) {
                replay = parts.device().capture(work);
            }
            replay.run();
        }

        void close() {
            if (replay != null) {
                replay.close();
            }
        }
    }
}
