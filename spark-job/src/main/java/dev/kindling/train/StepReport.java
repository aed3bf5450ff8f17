package dev.kindling.train;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import dev.kindling.coordinate.message.Topic;

/**
 * What a rank tells the driver of each step.
 *
 * @param step counted from 1: steps done
 * @param lossSum over this rank's tokens, in nats
 * @param tokens of this rank in the step that have a target
 * @param dataMillis waiting for the step's batches
 * @param computeMillis the step without data and exchange; evaluation and checkpoint are not part of it
 * @param exchangeMillis waiting for gradients on the host
 * @param valLoss in nats a token, or null where this step was not evaluated
 */
public record StepReport(
        long step,
        double lossSum,
        long tokens,
        double learningRate,
        double gradientNorm,
        double dataMillis,
        double computeMillis,
        double exchangeMillis,
        @JsonSetter(nulls = Nulls.SET) Double valLoss) {
    public static final Topic<StepReport> TOPIC = new Topic<>("step", StepReport.class);

    /** Wall time of the step. */
    public double stepMillis() {
        return dataMillis + computeMillis + exchangeMillis;
    }
}
