package dev.kindling.report;

import dev.kindling.report.RankMeasurement.Case;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Attention backends compared: the measurements of all ranks, put together. A step takes as long as its slowest rank.
 *
 * @param rows one for each number of executors, length, mode and backend, in the order asked for
 */
public record BackendReport(About about, List<Row> rows) {
    /**
     * What was compared, and where.
     *
     * @param title for people
     * @param created when, for people
     * @param config the configuration as resolved, YAML
     * @param environment versions and devices, by name
     * @param method how it was measured
     * @param notes what the reader must know of this run
     */
    public record About(
            String title,
            String created,
            String config,
            Map<String, String> environment,
            Method method,
            List<String> notes) {}

    /** How it was measured; see {@code compare.ComparisonPlan}. */
    public record Method(int warmUp, int rounds, int steps) {}

    /**
     * The model whose step was run. Dropout, normalisation and elementwise work are not counted in its operations.
     *
     * @param globalBatch sequences per step, over all ranks
     */
    public record Work(int globalBatch, int layers, int width, int vocabulary) {
        /** The formula, for reports. */
        public static final String FORMULA =
                "3 × (24·L·C² + 2·V·C + 4·L·T·C) a token for a step, a third of it for forward (PaLM, arXiv:2204.02311,"
                        + " app. B: attention over all T positions)";

        /** Floating point operations of forward, for one token in a sequence of {@code length}. */
        public double forwardFlops(int length) {
            return 24.0 * layers * width * width + 2.0 * vocabulary * width + 4.0 * layers * length * width;
        }
    }

    /**
     * How far a backend's losses are from the reference's, over the steps that begin with the same weights.
     *
     * @param reference the backend compared with
     * @param difference the largest relative difference over the steps
     * @param tolerance the largest that rounding explains
     */
    public record Parity(String reference, double difference, double tolerance) {
        public boolean holds() {
            return difference <= tolerance;
        }
    }

    /**
     * One case, over all ranks.
     *
     * @param refusal why it did not run, or empty; if it did not run, the other values are null or empty
     * @param speedup over the reference: the mean of the ratios within rounds
     * @param mfu model FLOPs utilisation: a step's operations per second, divided by the peak of all ranks'
     *     devices; empty where a peak is unknown
     */
    public record Row(
            int executors,
            int length,
            boolean compiled,
            String backend,
            String refusal,
            Timing step,
            Timing forward,
            Estimate speedup,
            OptionalDouble mfu,
            Parity parity,
            List<RankRow> ranks) {
        public boolean ran() {
            return refusal.isEmpty();
        }

        /** Whether this is the row that the others are compared with. */
        public boolean isReference() {
            return parity.reference().equals(backend);
        }

        /** Bytes of device memory on the rank that holds the most. */
        public long bytes() {
            return ranks.stream()
                    .mapToLong(rank -> rank.measured().bytes())
                    .max()
                    .orElse(0);
        }

        /** Attention's share of device time, 0 to 1: the mean over the ranks. */
        public double attentionShare() {
            return ranks.stream()
                    .mapToDouble(rank -> rank.measured().attentionShare())
                    .average()
                    .orElse(0);
        }

        /** Joules of all devices for a thousand tokens; empty where a device has no counter of energy. */
        public OptionalDouble joulesPerThousandTokens() {
            double joules = 0;
            double sequences = 0;
            for (RankRow rank : ranks) {
                Double own = rank.measured().joulesPerThousandTokens();
                if (own == null) {
                    return OptionalDouble.empty();
                }
                joules += own * rank.measured().sequences();
                sequences += rank.measured().sequences();
            }
            return ranks.isEmpty() ? OptionalDouble.empty() : OptionalDouble.of(joules / sequences);
        }

        public String mode() {
            return compiled ? "compiled" : "eager";
        }
    }

    /** Wall time and rate of a step or of forward, over all ranks or on one. */
    public record Timing(Estimate millis, Estimate tokensPerSecond) {
        static Timing of(List<Double> millis, double tokens) {
            return new Timing(
                    Estimate.of(millis),
                    Estimate.of(millis.stream().map(each -> tokens / each * 1e3).toList()));
        }
    }

    /** One rank of a case. */
    public record RankRow(RankMeasurement rank, Case measured, Timing step, Timing forward, OptionalDouble mfu) {}

    /**
     * The relative difference between losses that rounding explains: fp32 sums in another order, or bf16 activations,
     * carried through the warm-up steps.
     */
    static double tolerance(String precision) {
        return precision.equals("bf16") ? 2e-2 : 1e-4;
    }

    /**
     * Puts measurements together.
     *
     * @param byExecutors the measurements of every rank, in rank order, by the number of executors
     */
    public static BackendReport of(About about, Work work, Map<Integer, List<RankMeasurement>> byExecutors) {
        List<Row> rows = new ArrayList<>();
        new TreeMap<>(byExecutors).forEach((executors, ranks) -> {
            List<Row> own = new ArrayList<>();
            int cases = ranks.get(0).cases().size();
            for (int i = 0; i < cases; i++) {
                own.add(row(work, ranks, i, own));
            }
            rows.addAll(own);
        });
        return new BackendReport(about, rows);
    }

    private static Row row(Work work, List<RankMeasurement> ranks, int index, List<Row> before) {
        Case first = ranks.get(0).cases().get(index);
        if (!first.refusal().isEmpty()) {
            return new Row(
                    ranks.size(),
                    first.length(),
                    first.compiled(),
                    first.backend(),
                    first.refusal(),
                    null,
                    null,
                    null,
                    OptionalDouble.empty(),
                    null,
                    List.of());
        }
        List<RankRow> rankRows = ranks.stream()
                .map(rank -> rankRow(work, rank, rank.cases().get(index)))
                .toList();
        double tokens = (double) work.globalBatch() * first.length();
        Timing step = Timing.of(slowest(rankRows, true), tokens);
        Row reference = before.stream()
                .filter(row -> row.ran() && row.length() == first.length() && row.compiled() == first.compiled())
                .findFirst()
                .orElse(null);
        List<RankRow> compared = reference == null ? rankRows : reference.ranks();
        return new Row(
                ranks.size(),
                first.length(),
                first.compiled(),
                first.backend(),
                "",
                step,
                Timing.of(slowest(rankRows, false), tokens),
                Estimate.of(ratios(reference == null ? step : reference.step(), step)),
                mfu(3 * work.forwardFlops(first.length()) * tokens, step, ranks),
                new Parity(
                        reference == null ? first.backend() : reference.backend(),
                        difference(losses(compared), losses(rankRows)),
                        tolerance(ranks.get(0).precision())),
                rankRows);
    }

    private static RankRow rankRow(Work work, RankMeasurement rank, Case measured) {
        double tokens = (double) measured.sequences() * measured.length();
        Timing step = Timing.of(measured.stepMillis(), tokens);
        return new RankRow(
                rank,
                measured,
                step,
                Timing.of(measured.forwardMillis(), tokens),
                mfu(3 * work.forwardFlops(measured.length()) * tokens, step, List.of(rank)));
    }

    /** For each round, the time of the slowest rank. */
    private static List<Double> slowest(List<RankRow> ranks, boolean step) {
        int rounds = ranks.get(0).measured().stepMillis().size();
        return IntStream.range(0, rounds)
                .mapToObj(round -> ranks.stream()
                        .map(RankRow::measured)
                        .mapToDouble(each -> (step ? each.stepMillis() : each.forwardMillis()).get(round))
                        .max()
                        .orElseThrow())
                .toList();
    }

    private static List<Double> ratios(Timing reference, Timing own) {
        List<Double> others = reference.millis().samples();
        List<Double> mine = own.millis().samples();
        return IntStream.range(0, mine.size())
                .mapToObj(i -> others.get(i) / mine.get(i))
                .toList();
    }

    private static OptionalDouble mfu(double flops, Timing step, List<RankMeasurement> ranks) {
        double peaks = 0;
        for (RankMeasurement rank : ranks) {
            if (rank.peakFlops() == 0) {
                return OptionalDouble.empty();
            }
            peaks += rank.peakFlops();
        }
        return OptionalDouble.of(flops / (step.millis().mean() / 1e3) / peaks);
    }

    /** For each step, the loss summed over the ranks. */
    private static List<Double> losses(List<RankRow> ranks) {
        int steps = ranks.get(0).measured().lossSums().size();
        return IntStream.range(0, steps)
                .mapToObj(step -> ranks.stream()
                        .mapToDouble(rank -> rank.measured().lossSums().get(step))
                        .sum())
                .toList();
    }

    /** The largest |a - b| / |a|; infinite if any value is not a number. */
    private static double difference(List<Double> reference, List<Double> own) {
        double worst = 0;
        for (int i = 0; i < own.size(); i++) {
            double relative = Math.abs(own.get(i) - reference.get(i)) / Math.abs(reference.get(i));
            worst = Double.isNaN(relative) ? Double.POSITIVE_INFINITY : Math.max(worst, relative);
        }
        return worst;
    }
}
