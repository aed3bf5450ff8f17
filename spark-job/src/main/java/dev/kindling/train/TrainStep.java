package dev.kindling.train;

import dev.kindling.allreduce.Rounding;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.data.batch.MicroBatch;
import dev.kindling.device.Device;
import dev.kindling.device.StepInputs;
import dev.kindling.exchange.GradientExchange;
import dev.kindling.exchange.GradientSum;
import dev.kindling.exchange.RankShare;
import dev.kindling.exchange.RoundingSchedule;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.CosineSchedule;
import dev.kindling.optim.GradientClip;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.DoubleStream;

/**
 * One step of one rank:
 *
 * <pre>
 * for each micro-batch of this rank:
 *     loss = forward(micro-batch)
 *     g += backward(loss / targets of the global batch)      (the first one: g =)
 * g = sum of g over all ranks            (from the last micro-batch's backward pass on)
 * s = min(1, max norm / |g|)             clip; all ranks have done their part
 * weights = AdamW(weights, s g, learning rate)
 * </pre>
 *
 * <p>With {@code compile} on CUDA the step is a few graphs, see {@link StepStage}: one that begins it, one for forward and
 * backward of the first micro-batch and one for those of the next, one for forward, backward and sum of the last, one for clip
 * and one for the update. Sums from GPU
 * to GPU are captured with the backward pass beside which they run; sums over the hosts are made between two graphs. The
 * update begins when nothing of another rank is waited for any more: what a lost rank leaves behind is the state after a
 * finished step.
 */
public final class TrainStep implements AutoCloseable {
    /**
     * What a step gave.
     *
     * @param lossSum the sum of the losses of this rank's tokens, in nats
     * @param loss the mean over the tokens of all ranks that have a target, in nats
     * @param gradientNorm the norm of the summed gradient, before clipping
     * @param learningRate the one that this step used
     * @param waitedNanos how long the host waited for other ranks
     */
    public record StepResult(double lossSum, double loss, float gradientNorm, float learningRate, long waitedNanos) {
        StepResult withWaited(long nanos) {
            return new StepResult(lossSum, loss, gradientNorm, learningRate, nanos);
        }
    }

    private final Device device;
    private final TrainedModel model;
    private final Gpt gpt;
    private final Parameters parameters;
    private final GradientSum sum;
    private final GradientExchange exchange;
    private final RoundingSchedule roundings;
    private final GradientClip clip;
    private final AdamW adamW;
    private final CosineSchedule learningRates;
    private final RankShare share;
    private final int rank;

    private final StepStage begin;
    private final StepStage overwriting;
    private final StepStage accumulating;
    private final Map<Rounding, StepStage> forwardBackwardSum = new EnumMap<>(Rounding.class);
    private final StepStage clipping;
    private final StepStage update;

    /**
     * A step over a replica, as its configuration says.
     *
     * @param compile whether to capture the step where the device can
     */
    public TrainStep(Replica replica, boolean compile) {
        TrainConfig config = replica.config();
        TrainSection train = config.train();
        device = replica.device();
        model = replica.model();
        gpt = replica.gpt();
        parameters = replica.parameters();
        sum = replica.sum();
        exchange = replica.exchange();
        roundings = RoundingSchedule.of(config);
        clip = new GradientClip(device.ops(), (float) train.gradClip());
        adamW = replica.adamW();
        learningRates = new CosineSchedule(
                (float) train.lr(), (float) train.minLr(), train.warmupSteps(), train.lrDecaySteps());
        share = replica.share();
        rank = replica.rank();
        boolean captured = compile && device.kind() == Device.Kind.CUDA;
        begin = new StepStage(device, captured, this::begin);
        overwriting = new StepStage(device, captured, () -> forwardBackward(false));
        accumulating = new StepStage(device, captured, () -> forwardBackward(true));
        for (Rounding rounding : Rounding.values()) {
            forwardBackwardSum.put(rounding, new StepStage(device, captured, () -> forwardBackwardSum(rounding)));
        }
        boolean updates = captured && exchange.updatesOnDevice();
        clipping = new StepStage(device, updates, this::clip);
        update = new StepStage(device, updates, this::update);
    }

    /**
     * Runs step number {@code step}, counted from 0.
     *
     * @param batches this rank's part of the global batch
     */
    public StepResult run(long step, StepBatches batches) {
        return run(step, batches, result -> {});
    }

    /** @param finished told what the step gave as soon as it is finished, whatever becomes of the other ranks */
    StepResult run(long step, StepBatches batches, Consumer<StepResult> finished) {
        List<? extends MicroBatch> microBatches = batches.microBatches();
        if (microBatches.size() != share.count()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "rank has %d micro-batches and got %d", share.count(), microBatches.size()));
        }
        float learningRate = learningRates.at(step);
        Rounding rounding = roundings.at(step);
        device.setStep(inputs(step, learningRate, batches.targets()));
        begin.run();
        int last = share.count() - 1;
        for (int i = 0; i < last; i++) {
            StepBatches.load(gpt, microBatches.get(i));
            (sum.accumulates(i) ? accumulating : overwriting).run();
            sum.next(i);
        }
        StepBatches.load(gpt, microBatches.get(last));
        forwardBackwardSum.get(rounding).run();
        exchange.awaitHost(rounding);
        clipping.run();
        exchange.awaitDevice();
        model.changing();
        update.run();
        model.changed(step + 1);
        double[] losses = sum.losses().byRank();
        StepResult result = new StepResult(
                losses[rank],
                DoubleStream.of(losses).sum() / batches.targets(),
                device.gradientNorm(),
                learningRate,
                exchange.waitedNanos());
        finished.accept(result);
        exchange.awaitWeights();
        return result.withWaited(exchange.waitedNanos());
    }

    /** What carries the gradients: driver, ring, nccl or peer; single where there is one rank. */
    public String transport() {
        return exchange.transport();
    }

    private StepInputs inputs(long step, float learningRate, long targets) {
        return new StepInputs(
                share.seed(),
                step * share.microBatches() + share.first(),
                step,
                learningRate,
                adamW.beta1Correction(step),
                adamW.beta2Correction(step),
                1f / targets);
    }

    private void begin() {
        sum.losses().clear();
        gpt.beginStep();
    }

    private void forwardBackward(boolean accumulate) {
        gpt.forward();
        gpt.backward(accumulate, bucket -> {});
        device.ops().nextMicroBatch();
    }

    private void forwardBackwardSum(Rounding rounding) {
        gpt.forward();
        gpt.backward(sum.accumulates(share.count() - 1), bucket -> {
            if (bucket == 0) {
                sum.completeLosses();
                exchange.lossesReady();
            }
            sum.complete(parameters.buckets().get(bucket));
            exchange.bucketReady(bucket, rounding);
        });
        device.ops().nextMicroBatch();
        gpt.fp8().ifPresent(fp8 -> exchange.maximaReady(fp8.maxima()));
        exchange.joinDevice();
    }

    private void clip() {
        exchange.clip(clip, parameters.gradients());
    }

    private void update() {
        gpt.endStep();
        adamW.step(exchange::updated);
        exchange.shareWeights();
    }

    @Override
    public void close() {
        begin.close();
        overwriting.close();
        accumulating.close();
        forwardBackwardSum.values().forEach(StepStage::close);
        clipping.close();
        update.close();
    }
}
