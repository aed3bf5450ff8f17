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

    /** Of more ranks than this only the slowest, the median and the fastest are shown. */
    public static final int MOST_LISTED = 8;

    public StepMetrics {
        ranks = List.copyOf(ranks);
    }

    /** Each rank's tokens per second, in rank order; of more than {@link #MOST_LISTED} the slowest, median and fastest. */
    public List<Double> listedTokensPerSecond() {
        return rankTokensPerSecond.size() <= MOST_LISTED ? rankTokensPerSecond : quantiles(rankTokensPerSecond);
    }

    /** The lowest, the median and the highest of the values. */
    private static List<Double> quantiles(List<Double> values) {
        double[] sorted =
                values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        double median = (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
        return List.of(sorted[0], median, sorted[sorted.length - 1]);
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
        double communication = communicationMillis();
        putRanks(json, "data_millis", RankTimes::dataMillis);
        putRanks(json, "compute_millis", RankTimes::computeMillis);
        json.put("communication_millis", rounded(communication));
        putRanks(json, "wait_millis", rank -> rank.exchangeMillis() - communication);
        return json;
    }

    /** An array with a number a rank; of more than {@link #MOST_LISTED} ranks an object with three of them. */
    private void putRanks(ObjectNode json, String key, ToDoubleFunction<RankTimes> part) {
        List<Double> values =
                ranks.stream().map(rank -> rounded(part.applyAsDouble(rank))).toList();
        if (values.size() <= MOST_LISTED) {
            values.forEach(value -> json.withArray(key).add(value));
            return;
        }
        List<Double> quantiles = quantiles(values);
        json.putObject(key)
                .put("min", quantiles.get(0))
                .put("median", rounded(quantiles.get(1)))
                .put("max", quantiles.get(2));
    }

    /** How long the exchange of gradients took on the rank that arrived last, and so waited for nobody. */
    double communicationMillis() {
        return ranks.stream().mapToDouble(RankTimes::exchangeMillis).min().orElse(0);
    }

    static double rounded(double millis) {
        return Math.round(millis * 1000) / 1000.0;
    }
}
