package dev.kindling.bench;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * A nanoGPT training step in PyTorch, eager and fp32, through DJL's bindings: forward, autograd backward, clipping by the
 * global norm, AdamW (decoupled decay on matrices only). The model is nanoGPT's without dropout and biases, its head tied
 * to the token embedding; attention is composed of products, an additive causal mask and a softmax, because DJL does not
 * bind scaled_dot_product_attention. The random batch stays the same, so the loss must fall.
 */
public final class PyTorchPeer implements AutoCloseable {
    private static final float LEARNING_RATE = 1e-3f;
    private static final float WEIGHT_DECAY = 0.1f;
    private static final float BETA1 = 0.9f;
    private static final float BETA2 = 0.99f;
    private static final float CLIP = 1f;
    private static final double LAYER_NORM_EPSILON = 1e-5;

    /** Sizes of the model and of a step's batch (sequences of {@code block} tokens). */
    public record Config(int nLayer, int nHead, int nEmbd, int block, int batch, int vocab) {
        /** The CPU's reference configuration: nanoGPT's advice for a laptop. */
        public static Config cpu() {
            return new Config(4, 4, 128, 64, 12, 65);
        }

        /** nanoGPT's shakespeare_char at a batch of 8. */
        public static Config gpu() {
            return new Config(6, 6, 384, 256, 8, 65);
        }
    }

    private record Layer(
            PtNDArray norm1, PtNDArray qkv, PtNDArray out, PtNDArray norm2, PtNDArray up, PtNDArray down) {}

    /** A parameter with its moments. */
    private record Parameter(PtNDArray value, PtNDArray mean, PtNDArray variance) {}

    private final Config config;
    private final NDManager manager;
    private final Random random;
    private final List<Parameter> parameters = new ArrayList<>();
    private final List<Layer> layers = new ArrayList<>();
    private final PtNDArray tokenEmbedding;
    private final PtNDArray positionEmbedding;
    private final PtNDArray finalNorm;
    private final PtNDArray noBias;
    private final PtNDArray mask;
    private final PtNDArray tokens;
    private final PtNDArray targets;
    private final PtNDArray positions;
    private int threads = 1;
    private int step;
    private double loss = Double.NaN;

    /** Loads libtorch and draws weights and a batch from {@code seed}. */
    public PyTorchPeer(Config config, long seed) {
        this.config = config;
        PyTorch.load();
        manager = PyTorch.manager();
        random = new Random(seed);
        int c = config.nEmbd();
        double residual = 0.02 / Math.sqrt(2.0 * config.nLayer());
        tokenEmbedding = parameter(0.02, config.vocab(), c);
        positionEmbedding = parameter(0.02, config.block(), c);
        for (int i = 0; i < config.nLayer(); i++) {
            layers.add(new Layer(
                    norm(),
                    parameter(0.02, 3 * c, c),
                    parameter(residual, c, c),
                    norm(),
                    parameter(0.02, 4 * c, c),
                    parameter(residual, c, 4 * c)));
        }
        finalNorm = norm();
        noBias = (PtNDArray) manager.zeros(new Shape(c));
        mask = causalMask();
        tokens = randomTokens();
        targets = randomTokens();
        positions = (PtNDArray) manager.arange(0, config.block(), 1, DataType.INT64);
    }

    private PtNDArray parameter(double deviation, int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return register(manager.create(values, new Shape(rows, columns)));
    }

    private PtNDArray norm() {
        return register(manager.ones(new Shape(config.nEmbd())));
    }

    private PtNDArray register(NDArray values) {
        PtNDArray value = (PtNDArray) values;
        value.setRequiresGradient(true);
        Shape shape = value.getShape();
        parameters.add(new Parameter(value, (PtNDArray) manager.zeros(shape), (PtNDArray) manager.zeros(shape)));
        return value;
    }

    private PtNDArray causalMask() {
        int t = config.block();
        float[] values = new float[t * t];
        for (int i = 0; i < t; i++) {
            Arrays.fill(values, i * t + i + 1, (i + 1) * t, Float.NEGATIVE_INFINITY);
        }
        return (PtNDArray) manager.create(values, new Shape(t, t));
    }

    private PtNDArray randomTokens() {
        long[] ids = random.longs((long) config.batch() * config.block(), 0, config.vocab())
                .toArray();
        return (PtNDArray) manager.create(ids, new Shape(config.batch(), config.block()));
    }

    /** PyTorch's intra-op threads for the steps to come. */
    public void threads(int count) {
        threads = count;
    }

    /** The mean cross entropy of the last step, in nats. */
    public double loss() {
        return loss;
    }

    /** Runs one training step and returns its wall time in milliseconds. */
    public double stepMillis() {
        PyTorch.threads(threads);
        long start = System.nanoTime();
        try (NDManager scope = manager.newSubManager()) {
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                PtNDArray mean = forward(scope);
                collector.backward(mean);
                loss = mean.getFloat();
            }
            update();
        }
        return (System.nanoTime() - start) / 1e6;
    }

    /** Results follow the manager of the first operand; every chain starts with an array of the step's scope. */
    private PtNDArray forward(NDManager scope) {
        PtNDArray ids = borrowed(tokens, scope);
        PtNDArray places = borrowed(positions, scope);
        PtNDArray x = JniUtils.embedding(ids, tokenEmbedding, false)
                .add(JniUtils.embedding(places, positionEmbedding, false));
        for (Layer layer : layers) {
            x = x.add(attention(layer, layerNorm(x, layer.norm1())));
            PtNDArray hidden = JniUtils.gelu(JniUtils.linear(layerNorm(x, layer.norm2()), layer.up(), null));
            x = x.add(JniUtils.linear(hidden, layer.down(), null));
        }
        PtNDArray logits = JniUtils.linear(layerNorm(x, finalNorm), tokenEmbedding, null);
        PtNDArray logProbabilities = JniUtils.logSoftmax(logits, 2, DataType.FLOAT32);
        PtNDArray index = borrowed(targets, scope).expandDims(-1);
        return JniUtils.gather(logProbabilities, index, 2).mean().neg();
    }

    private PtNDArray attention(Layer layer, PtNDArray x) {
        int heads = config.nHead();
        int width = config.nEmbd() / heads;
        NDList parts = JniUtils.linear(x, layer.qkv(), null).split(3, 2);
        NDArray[] qkv = new NDArray[3];
        for (int i = 0; i < 3; i++) {
            qkv[i] = parts.get(i)
                    .reshape(config.batch(), config.block(), heads, width)
                    .transpose(0, 2, 1, 3);
        }
        NDArray scores = qkv[0].matMul(qkv[1].transpose(0, 1, 3, 2)).mul(1 / Math.sqrt(width));
        NDArray weights = scores.add(mask).softmax(3);
        PtNDArray joined = (PtNDArray)
                weights.matMul(qkv[2]).transpose(0, 2, 1, 3).reshape(config.batch(), config.block(), config.nEmbd());
        return JniUtils.linear(joined, layer.out(), null);
    }

    private PtNDArray layerNorm(PtNDArray x, PtNDArray weight) {
        return JniUtils.layerNorm(x, new Shape(config.nEmbd()), weight, noBias, LAYER_NORM_EPSILON);
    }

    private static PtNDArray borrowed(PtNDArray array, NDManager scope) {
        PtNDArray alias = array.reshape(array.getShape());
        alias.attach(scope);
        return alias;
    }

    private void update() {
        step++;
        List<PtNDArray> gradients = new ArrayList<>();
        double squares = 0;
        for (Parameter parameter : parameters) {
            PtNDArray gradient = parameter.value().getGradient();
            gradients.add(gradient);
            try (NDArray norm = gradient.norm()) {
                squares += Math.pow(norm.getFloat(), 2);
            }
        }
        float scale = (float) Math.min(1, CLIP / (Math.sqrt(squares) + 1e-6));
        double corrected = LEARNING_RATE * Math.sqrt(1 - Math.pow(BETA2, step)) / (1 - Math.pow(BETA1, step));
        for (int i = 0; i < parameters.size(); i++) {
            Parameter parameter = parameters.get(i);
            try (PtNDArray gradient = gradients.get(i)) {
                float decay = parameter.value().getShape().dimension() > 1 ? WEIGHT_DECAY : 0f;
                JniUtils.adamUpdate(
                        parameter.value(),
                        gradient,
                        parameter.mean(),
                        parameter.variance(),
                        LEARNING_RATE,
                        (float) corrected,
                        decay,
                        scale,
                        -1f,
                        BETA1,
                        BETA2,
                        1e-8f,
                        true);
                JniUtils.zeroGrad(parameter.value());
            }
        }
    }

    @Override
    public void close() {
        manager.close();
    }

    /** Prints the median step of both configurations at 1 and 2 threads. Argument: {@code cpu} or {@code gpu}. */
    public static void main(String[] args) {
        boolean cpu = args.length == 0 || "cpu".equals(args[0]);
        Config config = cpu ? Config.cpu() : Config.gpu();
        int steps = cpu ? 60 : 6;
        try (PyTorchPeer peer = new PyTorchPeer(config, 1337)) {
            System.out.printf("PyTorch %s, %s%n", PyTorch.load(), config);
            peer.stepMillis();
            double first = peer.loss();
            for (int threads : new int[] {1, 2}) {
                peer.threads(threads);
                double[] millis = new double[steps];
                for (int i = -2; i < steps; i++) {
                    double time = peer.stepMillis();
                    if (i >= 0) {
                        millis[i] = time;
                    }
                }
                Arrays.sort(millis);
                System.out.printf(
                        "%d thread(s): median %.1f ms a step, best %.1f ms; loss %.4f -> %.4f%n",
                        threads, millis[steps / 2], millis[0], first, peer.loss());
            }
            double uniform = Math.log(config.vocab());
            if (!(Math.abs(first - uniform) < 0.2) || !(peer.loss() < first)) {
                throw new IllegalStateException("The peer does not learn: loss " + first + " -> " + peer.loss()
                        + ", expected a start near " + uniform);
            }
        }
    }
}
