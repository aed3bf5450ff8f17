package dev.kindling.device.cuda;

import dev.kindling.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The kernels that training a GPT asks for one by one in its first step, so that they can be compiled side by side before
 * it. Nothing depends on it but time: what is missing here is compiled when it is asked for.
 *
 * @param type of activations
 * @param width C, channels of the residual stream
 * @param headDim D
 * @param contextLength T
 * @param vocabulary number of token ids
 * @param paddedVocabulary columns of the logits
 * @param dropout whether attention drops probabilities in training
 * @param tanh whether GELU is in its tanh form
 * @param moments type of AdamW's moments
 * @param gradients type of the summed gradients
 */
public record KernelForecast(
        DType type,
        int width,
        int headDim,
        int contextLength,
        int vocabulary,
        int paddedVocabulary,
        boolean dropout,
        boolean tanh,
        DType moments,
        DType gradients) {
    /** A kernel file and its constants. */
    record Program(String stem, Map<String, String> constants) {
        static Program of(String stem, Object... constants) {
            Map<String, String> all = new TreeMap<>();
            for (int i = 0; i < constants.length; i += 2) {
                all.put((String) constants[i], String.valueOf(constants[i + 1]));
            }
            return new Program(stem, all);
        }
    }

    /**
     * The programs, those that take longest to compile first.
     *
     * @param compute capability of the device, such as 90
     */
    List<Program> programs(int compute) {
        boolean hopper = compute == 90;
        String activation = CudaContext.kernelType(type);
        int inner = 4 * width;
        List<Program> programs = new ArrayList<>();
        if (type != DType.F32) {
            programs.add(attention("flash_backward", hopper, dropout));
            programs.add(attention("flash_forward", hopper, dropout));
        }
        programs.add(
                Program.of("embedding", "ACTIVATION", activation, "CHANNELS", width, "VOCABULARY", paddedVocabulary));
        for (String stem : List.of("residual_layernorm_backward", "residual_layernorm_forward")) {
            programs.add(Program.of(stem, "ACTIVATION", activation, "CHANNELS", width));
        }
        int form = tanh ? 1 : 0;
        for (int transposed = 0; hopper && type != DType.F32 && transposed < 2; transposed++) {
            programs.add(Program.of(
                    "matmul_gelu_hopper",
                    "ACTIVATION",
                    activation,
                    "CHANNELS",
                    inner,
                    "SUMMED",
                    width,
                    "GELU_TANH",
                    form,
                    "TRANSPOSED",
                    transposed));
        }
        programs.add(Program.of("gelu", "ACTIVATION", activation, "CHANNELS", inner, "GELU_TANH", form));
        programs.add(Program.of(
                "cross_entropy", "ACTIVATION", activation, "VOCABULARY", vocabulary, "PADDED", paddedVocabulary));
        programs.add(Program.of(
                "adamw",
                "ACTIVATION",
                activation,
                "MOMENT",
                CudaContext.kernelType(moments),
                "GRADIENT",
                CudaContext.kernelType(gradients)));
        programs.add(Program.of("column_sum", "ACTIVATION", activation, "CHANNELS", 3 * width));
        programs.add(Program.of("elementwise", "ACTIVATION", CudaContext.kernelType(DType.F32)));
        for (String stem : List.of("global_norm", "sum", "step_state")) {
            programs.add(Program.of(stem));
        }
        if (type != DType.F32 && dropout) { // evaluation drops nothing
            programs.add(attention("flash_forward", hopper, false));
        }
        return programs;
    }

    private Program attention(String stem, boolean hopper, boolean drops) {
        return Program.of(
                hopper ? CudaFlashAttention.hopperFile(stem, headDim, drops, contextLength) : stem,
                "ACTIVATION",
                CudaContext.kernelType(type),
                "HEAD_DIM",
                headDim,
                "CAUSAL",
                1,
                "DROPOUT",
                drops ? 1 : 0);
    }
}
