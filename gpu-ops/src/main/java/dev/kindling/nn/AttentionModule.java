package dev.kindling.nn;

import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionInputs.Sequences;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;

/**
 * A model's causal self-attention layer on its own, over random weights and inputs: q, k, v = x W_qkv, attention, and the
 * projection, as training runs them. For measurements.
 */
public final class AttentionModule {
    private static final long SEED = 1337;

    private final CausalSelfAttention attention;
    private final Tensor x;
    final Tensor y;
    private final Tensor dx;

    /**
     * The sizes of the layer; it has H D channels.
     *
     * @param lengths of the B sequences that are packed into rows one after another; empty for {@code shape} as it is
     */
    public record Sizes(BatchShape shape, int heads, int headDim, float dropout, int[] lengths) {
        /** B sequences of T tokens each. */
        public static Sizes dense(int batch, int length, int heads, int headDim, float dropout) {
            return new Sizes(BatchShape.dense(batch, length), heads, headDim, dropout, new int[0]);
        }

        /** The same layer over packed sequences of these lengths, without padding. */
        public Sizes packed(int... packedLengths) {
            int rows = Arrays.stream(packedLengths).sum();
            return new Sizes(new BatchShape(1, rows, packedLengths.length), heads, headDim, dropout, packedLengths);
        }
    }

    /** Allocates and fills everything that forward and backward need; {@code sdpa} chooses the backend. */
    public AttentionModule(Sizes sizes, Sdpa sdpa, Gpt.DeviceArena memory) {
        Device device = memory.device();
        Arena arena = memory.arena();
        BatchShape shape = sizes.shape();
        int width = sizes.heads() * sizes.headDim();
        GptConfig config = new GptConfig(1, 1, 1, sizes.heads(), width, sizes.dropout(), false, Gelu.Form.ERF);
        Parameters parameters = new Parameters(config, device, arena, true);
        parameters.initialise(SEED);
        Workspace workspace = new Workspace(device, arena, shape.rows(), Activations.WHOLE);
        BlockContext context = new BlockContext(
                config,
                parameters,
                device,
                sdpa,
                shape,
                sequences(sizes.lengths(), device, arena),
                null,
                null,
                workspace);
        attention = new CausalSelfAttention(context, Parameters.block(0, "attn"), 1);
        x = workspace.shared("input", width);
        y = workspace.shared("output", width);
        dx = workspace.shared("gradient of the input", width);
        device.upload(random(x.count()), x);
    }

    private static Sequences sequences(int[] lengths, Device device, Arena arena) {
        if (lengths.length == 0) {
            return null;
        }
        int[] cumulative = new int[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            cumulative[i + 1] = cumulative[i] + lengths[i];
        }
        Tensor tensor = arena.allocate("cumulative lengths", DType.I32, cumulative.length);
        device.upload(cumulative, tensor);
        return new Sequences(
                tensor, lengths.length, Arrays.stream(lengths).max().orElseThrow());
    }

    private static float[] random(long count) {
        Random random = new Random(SEED);
        float[] values = new float[Math.toIntExact(count)];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat() * 2 - 1;
        }
        return values;
    }

    /** Enqueues the layer's forward pass. */
    public void forward() {
        attention.forward(x, y);
    }

    /** Enqueues its backward pass; the gradient of the output is the output itself. */
    public void backward() {
        attention.backward(x, y, dx, true);
    }
}
