package dev.kindling.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;

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
        Double valLoss) {
    /** The topic under which reports travel. */
    public static final String TOPIC = "step";

    private static final JsonMapper JSON = new JsonMapper();

    /** Wall time of the step. */
    public double stepMillis() {
        return dataMillis + computeMillis + exchangeMillis;
    }

    byte[] encode() {
        try {
            return JSON.writeValueAsBytes(this);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record of numbers can always be written", e);
        }
    }

    public static StepReport decode(byte[] json) throws IOException {
        return JSON.readValue(json, StepReport.class);
    }
}
