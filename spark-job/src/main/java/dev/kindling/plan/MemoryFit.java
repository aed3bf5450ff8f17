package dev.kindling.plan;

import dev.kindling.config.EnumText;
import dev.kindling.config.TrainSection;
import dev.kindling.model.HostRoom;
import dev.kindling.nn.Activations;
import dev.kindling.nn.Recompute;
import dev.kindling.tensor.DeviceMemoryException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/** A rank's plan in a device's memory: how its activations are held, whether that fits, and what would. */
public final class MemoryFit {
    /** Of a GPU: CUDA's context, modules and graphs. Of a heap: everything that is not the model's. */
    private static final long LEAST_RESERVE = 512L << 20;

    private final PlannedRank rank;
    private final Available available;
    private final Activations activations;
    private final MemoryPlan plan;

    /**
     * The memory of a rank's device.
     *
     * @param device as people know it
     * @param bytes all of it, so that the same device gives the same choice whoever else uses it
     * @param raise how more is given to it, to be followed by how much; empty where it cannot be
     */
    public record Available(String device, long bytes, Optional<String> raise) {
        /** All of a GPU. */
        public static Available ofGpu(String gpu, long bytes) {
            return new Available(gpu, bytes, Optional.empty());
        }

        /** An executor's heap or, where the host or its container allows the process less, that. */
        public static Available ofHeap(long heap, HostRoom room) {
            return room.limit()
                    .filter(limit -> limit.total() < heap)
                    .map(limit -> new Available(
                            "the " + limit.what() + " of an executor, less than its heap of " + size(heap),
                            limit.total(),
                            Optional.of("raise that limit, and spark.executor.memory, to ")))
                    .orElseGet(() -> new Available(
                            "the heap of an executor",
                            heap,
                            Optional.of("raise the heap (spark.executor.memory) to ")));
        }

        /** What a plan may take: a part is left for what it does not count. */
        private long usable(boolean cuda) {
            return cuda ? bytes - LEAST_RESERVE - bytes / 50 : bytes - bytes / 8;
        }
    }

    /**
     * Chooses, of the ways that the configuration allows, the fastest that fits; where none does, the leanest.
     *
     * @param available what the rank's device has
     */
    public MemoryFit(PlannedRank rank, Available available) {
        this.rank = rank;
        this.available = available;
        List<Activations> allowed = rank.config().train().activations();
        activations =
                allowed.stream().filter(way -> fits(rank, way)).findFirst().orElse(allowed.get(allowed.size() - 1));
        plan = MemoryPlan.of(rank, activations);
    }

    private boolean fits(PlannedRank other, Activations way) {
        return MemoryPlan.of(other, way).total() <= available.usable(rank.cuda());
    }

    public PlannedRank rank() {
        return rank;
    }

    public Activations activations() {
        return activations;
    }

    /**
     * Fails where the device has less than the plan, even without a reserve.
     *
     * @throws DeviceMemoryException what is needed, what there is, and what would fit
     */
    public void require() {
        if (plan.total() > available.bytes()) {
            throw new DeviceMemoryException(refusal());
        }
    }

    /** The same with a reserve for what the plan does not count. */
    public void requireReserve() {
        if (!fits(rank, activations)) {
            throw new DeviceMemoryException(refusal());
        }
    }

    private String refusal() {
        return String.format(
                Locale.ROOT,
                "training does not fit %s: at train.micro_batch %d it takes %s (%s), and there are %s; %s",
                available.device(),
                rank.shape().batch(),
                size(plan.total()),
                parts(),
                size(available.bytes()),
                remedy());
    }

    /**
     * A shortage that was met in spite of the plan, as when another process has memory of the device: with the settings
     * that would leave as much, and what each saves.
     *
     * @param reach bytes that this process holds of a GPU or could take; empty where the heap serves
     */
    public DeviceMemoryException afterAll(DeviceMemoryException met, OptionalLong reach) {
        // What could not be had is one allocation, of which more may follow.
        long missing = Math.max(met.missingBytes(), plan.total() + LEAST_RESERVE - reach.orElse(Long.MAX_VALUE));
        DeviceMemoryException told = new DeviceMemoryException(String.format(
                Locale.ROOT,
                "%s; %s for the plan of %s of %s and what it does not count, at train.micro_batch %d with train.recompute %s: %s",
                met.shortage(),
                missing == 0 ? "memory is missing" : size(missing) + " are missing",
                size(plan.total()),
                size(available.bytes()),
                rank.shape().batch(),
                EnumText.of(activations.recompute()),
                new MemorySavings(rank, activations, available.raise()).text(missing)));
        told.initCause(met);
        return told;
    }

    private String parts() {
        return String.format(
                Locale.ROOT,
                "weights %s, gradients %s, moments %s, activations %s, head %s, workspace %s",
                size(plan.weights()),
                size(plan.gradients()),
                size(plan.moments()),
                size(plan.activations()),
                size(plan.head()),
                size(plan.workspace()));
    }

    /** What to change, and to what. */
    private String remedy() {
        List<String> remedies = new ArrayList<>();
        Activations leanest = leanest();
        if (!leanest.equals(activations) && fits(rank, leanest)) {
            remedies.add("set train.recompute and train.head_chunk to auto");
        }
        largest(rank, leanest).ifPresent(batch -> remedies.add("lower train.micro_batch to " + batch));
        if (rank.ranks() > 1 && !rank.sharded()) {
            largest(rank.withZero(), leanest)
                    .ifPresent(batch -> remedies.add("set train.zero to 1 and train.micro_batch to " + batch));
        }
        long needed = plan.total() + plan.total() / 7;
        available.raise().ifPresent(raise -> remedies.add(raise + ((needed >> 20) + 1) + "m"));
        if (remedies.isEmpty()) {
            remedies.add(String.format(
                    Locale.ROOT,
                    "weights, gradients and moments alone are %s: lower model.n_layer or model.n_embd, or use a larger device, or more of them with train.zero 1",
                    size(plan.state())));
        }
        return String.join(", or ", remedies);
    }

    /** The way that takes the least memory, whether the configuration allows it or not. */
    private static Activations leanest() {
        return new Activations(Recompute.LAYER, Activations.HEAD_SLICE);
    }

    /** The largest micro-batch that fits, of those that divide the global batch and leave one for every rank. */
    private Optional<Integer> largest(PlannedRank other, Activations way) {
        TrainSection train = rank.config().train();
        long most = Math.min(
                train.globalBatch() / rank.ranks(),
                Integer.MAX_VALUE / rank.shape().length());
        for (int batch = (int) most; batch >= 1; batch--) {
            if (train.globalBatch() % batch == 0 && fits(other.withMicroBatch(batch), way)) {
                return Optional.of(batch);
            }
        }
        return Optional.empty();
    }

    /** The plan for people, a line for each part and for what would fit. */
    public String table() {
        StringBuilder table = new StringBuilder();
        table.append(String.format(
                Locale.ROOT,
                "memory of %s, of %s on %s:%n",
                rank.ranks() == 1 ? "the one rank" : "each of " + rank.ranks() + " ranks",
                size(available.bytes()),
                available.device()));
        line(table, "weights", plan.weights(), rank.activationBytes() == 2 ? "bf16, and the fp32 originals" : "fp32");
        line(
                table,
                "gradients",
                plan.gradients(),
                EnumText.of(rank.config().train().gradients()));
        line(
                table,
                "moments",
                plan.moments(),
                EnumText.of(rank.config().train().moments()) + ", train.zero "
                        + rank.config().train().zero());
        line(
                table,
                "activations",
                plan.activations(),
                String.format(
                        Locale.ROOT,
                        "train.micro_batch %d, recompute %s",
                        rank.shape().batch(),
                        EnumText.of(activations.recompute())));
        line(table, "head", plan.head(), headText());
        line(table, "workspace", plan.workspace(), "of kernels and libraries");
        line(table, "in all", plan.total(), fits(rank, activations) ? "fits" : "does not fit");
        table.append("  largest train.micro_batch that fits: ")
                .append(largestTexts())
                .append('\n');
        return table.toString();
    }

    private static void line(StringBuilder table, String part, long bytes, String note) {
        table.append(String.format(Locale.ROOT, "  %-12s %11s  %s%n", part, size(bytes), note));
    }

    private String headText() {
        int rows = rank.shape().rows();
        int chunk = activations.headRows();
        return chunk == 0 || chunk >= rows
                ? String.format(Locale.ROOT, "logits of all %,d positions", rows)
                : String.format(Locale.ROOT, "logits of %,d positions at a time", chunk);
    }

    /** A larger one with each way that computes more again, as far as there is one. */
    private String largestTexts() {
        List<String> texts = new ArrayList<>();
        int before = 0;
        for (Recompute recompute : Recompute.values()) {
            int batch = largest(rank, new Activations(recompute, Activations.HEAD_SLICE))
                    .orElse(0);
            if (batch > before) {
                texts.add(batch + " with train.recompute " + EnumText.of(recompute));
                before = batch;
            }
        }
        return texts.isEmpty() ? "none" : String.join(", ", texts);
    }

    static String size(long bytes) {
        return bytes == 0
                ? "0"
                : bytes < 1L << 30
                        ? String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0)
                        : String.format(Locale.ROOT, "%.2f GiB", bytes / 1073741824.0);
    }
}
