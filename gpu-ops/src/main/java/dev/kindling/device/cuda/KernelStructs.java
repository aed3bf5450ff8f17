package dev.kindling.device.cuda;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The structs that kernels take, field by field as resources/kernels declares them, and the files that take them. */
final class KernelStructs {
    /** common.cuh: what changes from step to step, in device memory; every file knows it. */
    static final StructLayout STEP_STATE = StructLayout.of("StepState")
            .longs("seed", "stream", "step")
            .floats("lr", "beta1Correction", "beta2Correction", "lossScale", "gradNorm", "clipScale");

    static final StructLayout ADAM_W = StructLayout.of("AdamW")
            .longs("master", "m", "v", "working", "gradient", "state", "count", "decaying", "first")
            .floats("beta1", "beta2", "epsilon", "weightDecay");

    /** The most dimensions that copy.cu takes. */
    static final int COPY_RANK = 5;

    static final StructLayout COPY = StructLayout.of("Copy")
            .longs("to", "from", "count")
            .longArrays(COPY_RANK, "extents", "toStrides", "fromStrides");

    static final StructLayout ATTENTION_MATH = attentionScale(StructLayout.of("AttentionMath")
            .longs("scores", "dropped", "gradient", "mask", "cumulative", "state")
            .longs("maskBatch", "maskHead", "maskRow", "maskColumn", "firstRow")
            .ints("heads", "rows", "columns", "sequences", "queryLength", "keyLength"));

    static final StructLayout FLASH_ATTENTION = flashAttention();
    static final StructLayout EFFICIENT_ATTENTION = efficientAttention();

    static final StructLayout RESIDUAL_LAYERNORM =
            residualLayerNorm("ResidualLayerNorm").longs("y");

    static final StructLayout RESIDUAL_LAYERNORM_BACKWARD = StructLayout.of("ResidualLayerNormBackward")
            .longs("dResidual", "dBranch", "partial", "dy", "x", "weight", "mean", "rstd", "state")
            .ints("rows", "threshold", "site", "accumulate");

    static final StructLayout FP8_QUANTIZE = StructLayout.of("Fp8Quantize")
            .longs("values", "transposed", "maximum", "scale", "x", "bias")
            .ints("rows", "columns");

    /** The most matrices that one launch of fp8_quantize_all takes. */
    static final int FP8_MATRICES = 48;

    static final StructLayout FP8_QUANTIZE_ALL = StructLayout.of("Fp8QuantizeAll")
            .longArrays(FP8_MATRICES, "values", "transposed", "maximum", "scale", "x", "rows", "columns", "blocks");

    static final StructLayout FP8_MATMUL_GELU = StructLayout.of("Fp8MatmulGelu")
            .longs("kept", "values", "transposed", "maximum", "partial", "inverseA", "inverseB", "scale", "bias")
            .ints("rows");

    static final StructLayout FP8_CROSS_ENTROPY = StructLayout.of("Fp8CrossEntropy")
            .longs("losses", "statistics", "values", "transposed", "maximum", "scale", "logits", "targets", "lossScale")
            .ints("rows");

    static final StructLayout FP8_LAYERNORM =
            residualLayerNorm("Fp8LayerNorm").longs("values", "transposed", "scale", "maximum");

    static final StructLayout MATMUL_GELU =
            StructLayout.of("MatmulGelu").longs("x", "out", "bias", "partial").ints("rows");

    private static final Map<String, List<StructLayout>> OF_FILE = Map.ofEntries(
            Map.entry("adamw", List.of(ADAM_W)),
            Map.entry("attention_math", List.of(ATTENTION_MATH)),
            Map.entry("copy", List.of(COPY)),
            Map.entry("efficient_backward", List.of(EFFICIENT_ATTENTION)),
            Map.entry("efficient_forward", List.of(EFFICIENT_ATTENTION)),
            Map.entry("flash_backward", List.of(FLASH_ATTENTION)),
            Map.entry("flash_backward_hopper", List.of(FLASH_ATTENTION)),
            Map.entry("flash_backward_hopper_128", List.of(FLASH_ATTENTION)),
            Map.entry("flash_backward_hopper_long", List.of(FLASH_ATTENTION)),
            Map.entry("flash_forward", List.of(FLASH_ATTENTION)),
            Map.entry("flash_forward_hopper", List.of(FLASH_ATTENTION)),
            Map.entry("flash_forward_hopper_128", List.of(FLASH_ATTENTION)),
            Map.entry("fp8_cross_entropy_hopper", List.of(FP8_CROSS_ENTROPY)),
            Map.entry("fp8_layernorm_hopper", List.of(FP8_LAYERNORM)),
            Map.entry("fp8_matmul_gelu_hopper", List.of(FP8_MATMUL_GELU)),
            Map.entry("fp8_quantize_hopper", List.of(FP8_QUANTIZE, FP8_QUANTIZE_ALL)),
            Map.entry("matmul_gelu_hopper", List.of(MATMUL_GELU)),
            Map.entry("residual_layernorm_backward", List.of(RESIDUAL_LAYERNORM_BACKWARD)),
            Map.entry("residual_layernorm_forward", List.of(RESIDUAL_LAYERNORM)));

    private KernelStructs() {}

    /** The structs of a kernel file, which its module must publish. */
    static List<StructLayout> of(String stem) {
        List<StructLayout> structs = new ArrayList<>(List.of(STEP_STATE));
        structs.addAll(OF_FILE.getOrDefault(stem, List.of()));
        return structs;
    }

    private static StructLayout residualLayerNorm(String name) {
        return StructLayout.of(name)
                .longs("residualOut", "mean", "rstd", "residualIn", "branch", "branchBias", "weight", "bias", "state")
                .ints("rows")
                .floats("epsilon")
                .ints("threshold", "site");
    }

    private static StructLayout flashAttention() {
        StructLayout layout = attentionTensors(StructLayout.of("FlashAttention"))
                .longs("stats", "partial", "kept", "cuQ", "cuK", "state");
        attentionSizes(attentionStrides(layout).longArrays(3, "lseAt")).ints("statsRows", "splits");
        return attentionScale(layout);
    }

    private static StructLayout efficientAttention() {
        StructLayout layout =
                attentionTensors(StructLayout.of("EfficientAttention")).longs("delta", "mask", "state");
        attentionSizes(attentionStrides(layout).longs("maskBatch", "maskHead", "maskRow", "maskColumn"));
        return attentionScale(layout);
    }

    // The lists of attention.cuh, which the structs of the attention kernels have in common.

    private static StructLayout attentionTensors(StructLayout layout) {
        return layout.longs("q", "k", "v", "o", "lse", "dO", "dq", "dk", "dv");
    }

    private static StructLayout attentionStrides(StructLayout layout) {
        return layout.longArrays(3, "qAt", "kAt", "vAt", "oAt", "dOAt", "dqAt", "dkAt", "dvAt");
    }

    private static StructLayout attentionSizes(StructLayout layout) {
        return layout.ints("batch", "heads", "queryLength", "keyLength");
    }

    private static StructLayout attentionScale(StructLayout layout) {
        return layout.floats("scale").ints("threshold", "site");
    }
}
