package dev.kindling.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * Where each rank spends its time, and which rank the others wait for: sums over the steps of the current generation
 * after its first few. All ranks finish the exchange of gradients together. So the time that the last rank to arrive
 * spends in it is communication, and what another rank spends in it beyond that is waiting. Not thread-safe.
 */
public final class Stragglers {
    /** Steps at the start that are not counted: kernels are compiled and code warms up. */
    private static final int WARM_UP = 3;
    /** A slow rank is named if it costs at least this share of the training time. */
    private static final double WORTH_NAMING = 0.1;

    private final List<String> names;
    private final List<RankTimes> sums = new ArrayList<>();
    private double communicationMillis;
    private double stepMillis;
    private int skipped;
    private long steps;

    /**
     * Begins a generation.
     *
     * @param names one per rank, in rank order: "rank 1 (executor 3 on node7)"
     */
    public Stragglers(List<String> names) {
        this.names = List.copyOf(names);
        names.forEach(name -> sums.add(new RankTimes(0, 0, 0)));
    }

    public void add(StepMetrics step) {
        if (skipped < WARM_UP) {
            skipped++;
            return;
        }
        for (int rank = 0; rank < names.size(); rank++) {
            sums.set(rank, sums.get(rank).plus(step.ranks().get(rank)));
        }
        communicationMillis += step.communicationMillis();
        stepMillis += step.stepMillis();
        steps++;
    }

    /** Steps counted so far. */
    public long steps() {
        return steps;
    }

    /** Names the slowest rank, and why, when it costs more than a tenth of the training time. */
    public Optional<String> slowest() {
        if (names.size() < 2 || steps == 0) {
            return Optional.empty();
        }
        int slowest = 0;
        for (int rank = 1; rank < names.size(); rank++) {
            slowest = sums.get(rank).ownMillis() > sums.get(slowest).ownMillis() ? rank : slowest;
        }
        double data = othersMedian(slowest, RankTimes::dataMillis);
        double compute = othersMedian(slowest, RankTimes::computeMillis);
        RankTimes slow = sums.get(slowest);
        double cost = (slow.ownMillis() - othersMedian(slowest, RankTimes::ownMillis)) / stepMillis;
        if (cost <= WORTH_NAMING) {
            return Optional.empty();
        }
        return Optional.of(String.format(
                Locale.ROOT,
                "%s is the slowest: data %.1f ms and compute %.1f ms a step, others %.1f and %.1f; costs %.0f %% of the"
                        + " training time; look there for other load, a throttled processor or slow storage",
                names.get(slowest),
                slow.dataMillis() / steps,
                slow.computeMillis() / steps,
                data / steps,
                compute / steps,
                100 * cost));
    }

    private double othersMedian(int slowest, ToDoubleFunction<RankTimes> part) {
        double[] others = new double[names.size() - 1];
        for (int rank = 0, i = 0; rank < names.size(); rank++) {
            if (rank != slowest) {
                others[i++] = part.applyAsDouble(sums.get(rank));
            }
        }
        Arrays.sort(others);
        return (others[(others.length - 1) / 2] + others[others.length / 2]) / 2;
    }

    /** One object per rank, with means in milliseconds per step. */
    public ArrayNode toJson() {
        ArrayNode ranks = JsonNodeFactory.instance.arrayNode();
        double counted = Math.max(1, steps);
        for (int rank = 0; rank < names.size(); rank++) {
            RankTimes sum = sums.get(rank);
            ranks.addObject()
                    .put("rank", rank)
                    .put("where", names.get(rank))
                    .put("data_millis", StepMetrics.rounded(sum.dataMillis() / counted))
                    .put("compute_millis", StepMetrics.rounded(sum.computeMillis() / counted))
                    .put("communication_millis", StepMetrics.rounded(communicationMillis / counted))
                    .put("wait_millis", StepMetrics.rounded((sum.exchangeMillis() - communicationMillis) / counted));
        }
        return ranks;
    }
}
