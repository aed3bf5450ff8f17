package dev.kindling.train;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import dev.kindling.coordinate.message.Topic;
import java.util.List;

/**
 * What a rank tells the driver of each step.
 *
 * @param step counted from 1: steps done
 * @param loss the mean over the tokens of all ranks, in nats; the same on every rank
 * @param batchTokens of all ranks in the step that have a target
 * @param tokens those of this rank
 * @param dataMillis waiting for the step's batches
 * @param computeMillis the step without data and exchange; evaluation and checkpoint are not part of it
 * @param exchangeMillis waiting for gradients on the host
 * @param valLoss in nats a token, or null where this step was not evaluated
 */
public record StepReport(
        long step,
        double loss,
        long batchTokens,
        long tokens,
        double learningRate,
        double gradientNorm,
        double dataMillis,
        double computeMillis,
        double exchangeMillis,
        @JsonSetter(nulls = Nulls.SET) Double valLoss) {
    public static final Topic<StepReport> TOPIC = new Topic<>("step", StepReport.class);

    /**
     * The steps that a rank has finished and that the driver may have heard of from some ranks only, since another was lost.
     *
     * @param steps ascending
     */
    public record Finished(List<StepReport> steps) {
        public static final Topic<Finished> TOPIC = new Topic<>("finished steps", Finished.class);
    }

    /** Wall time of the step. */
    public double stepMillis() {
        return dataMillis + computeMillis + exchangeMillis;
    }

    /** As known of another rank than the one that took these times. */
    StepReport withoutTimes() {
        return new StepReport(step, loss, batchTokens, 0, learningRate, gradientNorm, 0, 0, 0, valLoss);
    }

    /** @param validationLoss null where the step is not evaluated */
    StepReport evaluated(Double validationLoss) {
        return new StepReport(
                step,
                loss,
                batchTokens,
                tokens,
                learningRate,
                gradientNorm,
                dataMillis,
                computeMillis,
                exchangeMillis,
                validationLoss);
    }
}
