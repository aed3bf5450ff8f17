package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.device.Precision;
import dev.kindling.nn.Activations;
import java.io.Serializable;
import java.util.List;

/** {@code train}: batches, schedule, optimizer and evaluation. Batches are counted in sequences of model.block_size. */
public record TrainSection(
        @KeyDoc(
                defaultValue = "64",
                allowed = "1 or more",
                doc = "sequences of a step over all ranks, whatever the number of executors")
        int globalBatch,

        @KeyDoc(
                defaultValue = "64",
                allowed = "1 or more, divides global_batch",
                doc = "sequences of a forward and backward pass of one rank")
        int microBatch,

        @KeyDoc(defaultValue = "5000", allowed = "1 or more", doc = "steps of the run")
        int maxSteps,

        @KeyDoc(defaultValue = "1e-3", allowed = "above 0", doc = "learning rate after the warm-up, the highest")
        double lr,

        @KeyDoc(defaultValue = "1e-4", allowed = "0 to lr", doc = "learning rate that the cosine decay ends at")
        double minLr,

        @KeyDoc(defaultValue = "100", allowed = "0 to lr_decay_steps", doc = "steps of linear warm-up")
        int warmupSteps,

        @KeyDoc(defaultValue = "5000", allowed = "1 or more", doc = "step at which the decay ends")
        int lrDecaySteps,

        @KeyDoc(defaultValue = "0.1", allowed = "0 or more", doc = "weight decay of AdamW, on matrices and embeddings")
        double weightDecay,

        @KeyDoc(defaultValue = "0.9", allowed = "[0, 1)", doc = "decay of AdamW's first moments")
        double beta1,

        @KeyDoc(defaultValue = "0.99", allowed = "[0, 1)", doc = "decay of AdamW's second moments")
        double beta2,

        @KeyDoc(
                defaultValue = "1.0",
                allowed = "0 or more",
                doc = "largest global norm of the gradient; 0: no clipping")
        double gradClip,

        @KeyDoc(defaultValue = "250", allowed = "1 or more", doc = "steps between two evaluations")
        int evalInterval,

        @KeyDoc(defaultValue = "200", allowed = "1 or more", doc = "micro-batches of an evaluation")
        int evalBatches,

        @KeyDoc(
                defaultValue = "0",
                allowed = "0 or more",
                doc = "evaluations without a new lowest validation loss after which the run ends; 0: never")
        int patience,

        @KeyDoc(defaultValue = "1337", allowed = "whole number", doc = "seed of initial weights, batches and dropout")
        long seed,

        @KeyDoc(
                defaultValue = "auto",
                doc = "precision of activations; auto is bf16 on a GPU and fp32 on the CPU; fp8: as bf16, with 8-bit"
                        + " products in the blocks, on Hopper GPUs")
        PrecisionChoice precision,

        @KeyDoc(defaultValue = "false", doc = "with precision fp8: the classifier's products in 8 bits, too")
        boolean fp8Head,

        @KeyDoc(defaultValue = "true", doc = "capture the step as CUDA graphs and replay them, on a GPU")
        boolean compile,

        @KeyDoc(
                defaultValue = "rank",
                doc = "order in which gradients are summed; tree gives the same bits on any number of executors")
        Reduction reduction,

        @KeyDoc(
                defaultValue = "0",
                allowed = "0 | 1",
                doc = "ZeRO stage; 1: AdamW's moments are sharded over the ranks")
        int zero,

        @KeyDoc(
                defaultValue = "auto",
                doc =
                        "activations that backward computes again, to save memory: GELU's, or whole layers; the same bits; auto takes the least that fits")
        RecomputeChoice recompute,

        @KeyDoc(
                defaultValue = "auto",
                allowed = "auto, all, or a number",
                doc =
                        "positions of a micro-batch whose logits exist at a time, rounded up to a multiple of 8192; the same bits; auto takes all where they fit")
        String headChunk,

        @KeyDoc(
                defaultValue = "fp32",
                doc =
                        "what AdamW keeps its moments in; bf16 halves their bytes, rounded at random from the seed and the step")
        StoredType moments,

        @KeyDoc(
                defaultValue = "fp32",
                doc =
                        "what gradients are summed in over micro-batches; bf16 halves their bytes, rounded at random likewise")
        StoredType gradients,

        @KeyDoc(
                defaultValue = "scratch",
                allowed = "scratch, or a path",
                doc = "initial weights: random ones, or those of a run, a checkpoint or a Hugging Face GPT-2")
        String initFrom)
        implements Serializable {

    /** What activations and products are computed in; AUTO is bf16 on a GPU and fp32 on the CPU. */
    public enum PrecisionChoice {
        AUTO,
        BF16,
        FP32,
        /** Products of the blocks' linear layers in 8 bits, the rest as BF16, for training alone. */
        FP8;

        /** This or, for AUTO, that in which a model is evaluated and sampled that was trained in {@code trained}. */
        public PrecisionChoice orThatOf(PrecisionChoice trained) {
            return this != AUTO || trained == FP8 ? this : trained;
        }

        /**
         * This, for evaluation and sampling.
         *
         * @throws ConfigException if it is for training alone; {@code key} asks for it
         */
        public PrecisionChoice requireInference(String key) {
            check(this != FP8, "%s is fp8, which is for training alone; set it to auto, bf16 or fp32", key);
            return this;
        }

        /** The precision of this name, or {@code automatic} for AUTO. */
        public Precision or(Precision automatic) {
            return switch (this) {
                case AUTO -> automatic;
                case BF16 -> Precision.BF16;
                case FP32 -> Precision.FP32;
                case FP8 -> Precision.FP8;
            };
        }
    }

    /** The order in which gradients are summed: by rank, or by a tree over micro-batches whatever the world size. */
    public enum Reduction {
        RANK,
        TREE
    }

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
        atLeast(0, "patience", patience);
        check(
                zero == 0 || zero == 1,
                "train.zero is %d; set it to 0 (whole optimizer on every rank) or 1 (sharded)",
                zero);
        HeadChunk.require(headChunk);
        check(!initFrom.isBlank(), "train.init_from is empty; set it to scratch or to a checkpoint directory");
    }

    /** The ways in which a micro-batch's activations may be held, the fastest first. */
    public List<Activations> activations() {
        List<Integer> heads = HeadChunk.choices(headChunk);
        return recompute.choices().stream()
                .flatMap(again -> heads.stream().map(rows -> new Activations(again, rows)))
                .toList();
    }

    /** Micro-batches in a step, over all ranks. */
    public int microBatches() {
        return globalBatch / microBatch;
    }

    /**
     * Whether {@code train.patience} ends the run after {@code done} steps: so many evaluations have passed since that of
     * {@code bestStep}, 0 where that is not known, without a lower loss.
     */
    public boolean isExhausted(long done, long bestStep) {
        return patience > 0 && bestStep > 0 && (done - bestStep) / evalInterval >= patience;
    }

    public TrainSection withGlobalBatch(int sequences) {
        return with(sequences, microBatch, zero, moments, gradients, initFrom);
    }

    public TrainSection withMicroBatch(int sequences) {
        return with(globalBatch, sequences, zero, moments, gradients, initFrom);
    }

    public TrainSection withInitFrom(String location) {
        return with(globalBatch, microBatch, zero, moments, gradients, location);
    }

    public TrainSection withZero(int stage) {
        return with(globalBatch, microBatch, stage, moments, gradients, initFrom);
    }

    public TrainSection withStored(StoredType ofMoments, StoredType ofGradients) {
        return with(globalBatch, microBatch, zero, ofMoments, ofGradients, initFrom);
    }

    private TrainSection with(int global, int micro, int stage, StoredType m, StoredType g, String init) {
        return new TrainSection(
                global,
                micro,
                maxSteps,
                lr,
                minLr,
                warmupSteps,
                lrDecaySteps,
                weightDecay,
                beta1,
                beta2,
                gradClip,
                evalInterval,
                evalBatches,
                patience,
                seed,
                precision,
                fp8Head,
                compile,
                reduction,
                stage,
                recompute,
                headChunk,
                m,
                g,
                init);
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
