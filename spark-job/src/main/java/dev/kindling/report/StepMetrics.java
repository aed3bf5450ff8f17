package dev.kindling.report;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What is known of one optimizer step.
 *
 * @param step steps done, from 1
 * @param loss mean training loss over the step's batch, in nats a token
 * @param lr the learning rate that was used
 * @param gradNorm the gradient's global norm before clipping
 * @param tokensPerSecond over all ranks
 * @param rankTokensPerSecond each rank's, in rank order
 * @param stepMillis wall time
 * @param valLoss validation loss after the step, in nats a token, where it was evaluated
 */
public record StepMetrics(
        long step,
        double loss,
        double lr,
        double gradNorm,
        double tokensPerSecond,
        List<Double> rankTokensPerSecond,
        double stepMillis,
        OptionalDouble valLoss) {

    /** Milliseconds by what the time was spent on. */
    public Map<String, Double> parts() {
        return Map.of("step", stepMillis);
    }

    /** The step's line in {@code metrics.jsonl}. */
    ObjectNode toJson() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("step", step)
                .put("loss", loss)
                .put("lr", lr)
                .put("grad_norm", gradNorm)
                .put("tokens_per_second", tokensPerSecond)
                .put("step_millis", stepMillis);
        valLoss.ifPresent(value -> json.put("val_loss", value));
        return json;
    }
}
