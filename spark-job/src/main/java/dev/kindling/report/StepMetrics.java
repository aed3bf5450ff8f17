package dev.kindling.report;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;

/**
 * The metrics of one optimizer step.
 *
 * @param step steps done, from 1
 * @param loss mean training loss over the step's batch, in nats per token
 * @param lr the learning rate that was used
 * @param gradNorm the gradient's global norm before clipping
 * @param tokensPerSecond over all ranks
 * @param rankTokensPerSecond by rank
 * @param stepMillis wall time
 * @param valLoss validation loss after the step, in nats per token, if it was evaluated
 * @param ranks where each rank spent its time, by rank
 */
public record StepMetrics(
        long step,
        double loss,
        double lr,
        double gradNorm,
        double tokensPerSecond,
        List<Double> rankTokensPerSecond,
        double stepMillis,
        OptionalDouble valLoss,
        List<RankTimes> ranks) {

    public StepMetrics {
        ranks = List.copyOf(ranks);
    }

    /** The milliseconds of the step by what they were spent on: means over the ranks, which add up to the step. */
    public Map<String, Double> parts() {
        Map<String, Double> parts = new LinkedHashMap<>();
        parts.put("data", mean(RankTimes::dataMillis));
        parts.put("compute", mean(RankTimes::computeMillis));
        parts.put("communication", communicationMillis());
        parts.put("wait", mean(RankTimes::exchangeMillis) - communicationMillis());
        return parts;
    }

    private double mean(ToDoubleFunction<RankTimes> part) {
        return ranks.stream().mapToDouble(part).average().orElse(0);
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
        json.put("world_size", ranks.size());
        ranks.forEach(rank -> json.withArray("data_millis").add(rounded(rank.dataMillis())));
        ranks.forEach(rank -> json.withArray("compute_millis").add(rounded(rank.computeMillis())));
        json.put("communication_millis", rounded(communicationMillis()));
        ranks.forEach(
                rank -> json.withArray("wait_millis").add(rounded(rank.exchangeMillis() - communicationMillis())));
        return json;
    }

    /** How long the exchange of gradients took on the rank that arrived last, and so waited for nobody. */
    double communicationMillis() {
        return ranks.stream().mapToDouble(RankTimes::exchangeMillis).min().orElse(0);
    }

    static double rounded(double millis) {
        return Math.round(millis * 1000) / 1000.0;
    }
}
