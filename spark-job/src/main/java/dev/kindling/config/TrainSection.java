package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/**
 * {@code train}: batches, schedule, optimizer and evaluation. Batches are counted in sequences of
 * {@code model.block_size} tokens; {@code gradClip} is the largest global norm, 0 for none.
 */
public record TrainSection(
        int globalBatch,
        int microBatch,
        int maxSteps,
        double lr,
        double minLr,
        int warmupSteps,
        int lrDecaySteps,
        double weightDecay,
        double beta1,
        double beta2,
        double gradClip,
        int evalInterval,
        int evalBatches,
        long seed,
        PrecisionChoice precision,
        boolean compile,
        Reduction reduction,
        int zero,
        String initFrom)
        implements Serializable {

    public enum PrecisionChoice {
        AUTO,
        BF16,
        FP32
    }

    /** The order in which gradients are summed: by rank, or by a tree over micro-batches whatever the world size. */
    public enum Reduction {
        RANK,
        TREE
    }

    static final TrainSection DEFAULT = new TrainSection(
            64,
            64,
            5000,
            1e-3,
            1e-4,
            100,
            5000,
            0.1,
            0.9,
            0.99,
            1.0,
            250,
            200,
            1337L,
            PrecisionChoice.AUTO,
            true,
            Reduction.RANK,
            0,
            "scratch");

    public TrainSection {
        atLeast(1, "global_batch", globalBatch);
        atLeast(1, "micro_batch", microBatch);
        check(
                globalBatch % microBatch == 0,
                "train.micro_batch %d does not divide train.global_batch %d, so a step would be uneven;"
                        + " set train.micro_batch to %d",
                microBatch,
                globalBatch,
                largestDivisor(globalBatch, microBatch));
        atLeast(1, "max_steps", maxSteps);
        checkSchedule(lr, minLr, warmupSteps, lrDecaySteps);
        check(
                weightDecay >= 0 && Double.isFinite(weightDecay),
                "train.weight_decay is %s; set it to 0 or more",
                weightDecay);
        check(beta1 >= 0 && beta1 < 1, "train.beta1 is %s, but AdamW's averages need it in [0, 1)", beta1);
        check(beta2 >= 0 && beta2 < 1, "train.beta2 is %s, but AdamW's averages need it in [0, 1)", beta2);
        check(
                gradClip >= 0 && Double.isFinite(gradClip),
                "train.grad_clip is %s; set it to the largest gradient norm, or to 0 for no clipping",
                gradClip);
        atLeast(1, "eval_interval", evalInterval);
        atLeast(1, "eval_batches", evalBatches);
        check(
                zero == 0 || zero == 1,
                "train.zero is %d; set it to 0 (whole optimizer on every rank) or 1 (sharded)",
                zero);
        check(!initFrom.isBlank(), "train.init_from is empty; set it to scratch or to a checkpoint directory");
    }

    /** Micro-batches in a step, over all ranks. */
    public int microBatches() {
        return globalBatch / microBatch;
    }

    private static void checkSchedule(double lr, double minLr, int warmupSteps, int lrDecaySteps) {
        check(lr > 0 && Double.isFinite(lr), "train.lr is %s; set it to a number above 0, for example 1e-3", lr);
        check(
                minLr >= 0 && minLr <= lr,
                "train.min_lr is %s, but the schedule falls from train.lr %s to it; set it in [0, train.lr]",
                minLr,
                lr);
        atLeast(0, "warmup_steps", warmupSteps);
        atLeast(1, "lr_decay_steps", lrDecaySteps);
        check(
                warmupSteps <= lrDecaySteps,
                "train.warmup_steps %d is more than train.lr_decay_steps %d, so the decay would end before it"
                        + " began; lower train.warmup_steps",
                warmupSteps,
                lrDecaySteps);
    }

    private static void atLeast(int least, String key, int value) {
        check(value >= least, "train.%s is %d; set it to %d or more", key, value, least);
    }

    private static int largestDivisor(int value, int limit) {
        int divisor = Math.min(value, limit);
        while (value % divisor != 0) {
            divisor--;
        }
        return divisor;
    }
}
