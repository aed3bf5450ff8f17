package dev.kindling.evaluate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

/**
 * A GPT-2 of characters, without biases, in double precision, read from a checkpoint's files and written down as plainly as
 * possible, with nothing of Kindling's own code: what a job's numbers are compared with. Its GELU is the tanh form.
 */
final class Float64Gpt {
    private final Map<String, double[]> weights = new HashMap<>();
    private final int layers;
    private final int heads;
    private final int width;
    private final int block;
    private final String vocabulary;

    /** How a continuation scores: the sum of the logarithms of its probabilities, and whether each is the highest. */
    record Score(double logLikelihood, boolean greedy) {}

    Float64Gpt(Path checkpoint) throws IOException {
        JsonNode state =
                new JsonMapper().readTree(checkpoint.resolve("state.json").toFile());
        StringBuilder characters = new StringBuilder();
        state.findValue("characters").forEach(character -> characters.append(character.asText()));
        vocabulary = characters.toString();
        JsonNode model = state.findParent("n_layer");
        block = model.get("block_size").asInt();
        layers = model.get("n_layer").asInt();
        heads = model.get("n_head").asInt();
        width = model.get("n_embd").asInt();
        if (model.get("bias").asBoolean() || !model.get("activation").asText().equalsIgnoreCase("gelu_tanh")) {
            throw new IllegalArgumentException("this model has no biases and a GELU of the tanh form, not " + model);
        }
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(checkpoint.resolve("model.safetensors")))
                .order(ByteOrder.LITTLE_ENDIAN);
        byte[] header = new byte[(int) file.getLong()];
        file.get(header);
        int data = file.position();
        JsonNode tensors = new JsonMapper().readTree(header);
        for (Iterator<String> names = tensors.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!name.equals("__metadata__")) {
                JsonNode offsets = tensors.get(name).get("data_offsets");
                int begin = data + offsets.get(0).asInt();
                double[] values = new double[(data + offsets.get(1).asInt() - begin) / Float.BYTES];
                for (int i = 0; i < values.length; i++) {
                    values[i] = file.getFloat(begin + i * Float.BYTES);
                }
                weights.put(name, values);
            }
        }
    }

    private int[] ids(String text, int most) {
        return text.substring(Math.max(0, text.length() - most))
                .chars()
                .map(vocabulary::indexOf)
                .toArray();
    }

    /** Scores a continuation after as much of its context as there is room for. */
    Score score(String context, String continuation) {
        int[] ids = ids(context + continuation, block + 1);
        double[][] all = logProbabilities(Arrays.copyOf(ids, ids.length - 1));
        double sum = 0;
        boolean greedy = true;
        for (int t = ids.length - continuation.length(); t < ids.length; t++) {
            double own = all[t - 1][ids[t]];
            sum += own;
            greedy &= Arrays.stream(all[t - 1]).allMatch(other -> other <= own);
        }
        return new Score(sum, greedy);
    }

    /** The likeliest character after a text. */
    char next(String text) {
        int[] ids = ids(text, block);
        double[] last = logProbabilities(ids)[ids.length - 1];
        int best = 0;
        for (int token = 1; token < last.length; token++) {
            best = last[token] > last[best] ? token : best;
        }
        return vocabulary.charAt(best);
    }

    /** The natural logarithms of the probabilities of every token after each of {@code tokens}. */
    private double[][] logProbabilities(int[] tokens) {
        double[] table = weights.get("wte.weight");
        double[][] residual = new double[tokens.length][width];
        for (int t = 0; t < tokens.length; t++) {
            for (int i = 0; i < width; i++) {
                residual[t][i] = table[tokens[t] * width + i] + weights.get("wpe.weight")[t * width + i];
            }
        }
        for (int layer = 0; layer < layers; layer++) {
            String block = "h." + layer + ".";
            double[][] qkv = product(normed(residual, block + "ln_1"), block + "attn.c_attn");
            add(product(attention(qkv), block + "attn.c_proj"), residual);
            double[][] hidden = product(normed(residual, block + "ln_2"), block + "mlp.c_fc");
            for (double[] row : hidden) {
                for (int i = 0; i < row.length; i++) {
                    double x = row[i];
                    row[i] = x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
                }
            }
            add(product(hidden, block + "mlp.c_proj"), residual);
        }
        double[][] last = normed(residual, "ln_f");
        double[][] logits = new double[tokens.length][table.length / width];
        for (int t = 0; t < tokens.length; t++) {
            for (int token = 0; token < logits[t].length; token++) {
                for (int i = 0; i < width; i++) {
                    logits[t][token] += last[t][i] * table[token * width + i];
                }
            }
            softmax(logits[t], true);
        }
        return logits;
    }

    private static void softmax(double[] x, boolean logarithm) {
        double max = Double.NEGATIVE_INFINITY;
        for (double value : x) {
            max = Math.max(max, value);
        }
        double sum = 0;
        for (double value : x) {
            sum += Math.exp(value - max);
        }
        for (int i = 0; i < x.length; i++) {
            x[i] = logarithm ? x[i] - max - Math.log(sum) : Math.exp(x[i] - max) / sum;
        }
    }

    private double[][] normed(double[][] x, String name) {
        double[][] y = new double[x.length][width];
        for (int t = 0; t < x.length; t++) {
            double mean = 0;
            double variance = 0;
            for (double value : x[t]) {
                mean += value / width;
            }
            for (double value : x[t]) {
                variance += (value - mean) * (value - mean) / width;
            }
            for (int i = 0; i < width; i++) {
                y[t][i] = (x[t][i] - mean) / Math.sqrt(variance + 1e-5) * weights.get(name + ".weight")[i];
            }
        }
        return y;
    }

    /** x times a weight as Hugging Face's Conv1D keeps it, (in, out). */
    private double[][] product(double[][] x, String name) {
        double[] weight = weights.get(name + ".weight");
        int columns = weight.length / x[0].length;
        double[][] y = new double[x.length][columns];
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                for (int j = 0; j < columns; j++) {
                    y[t][j] += x[t][i] * weight[i * columns + j];
                }
            }
        }
        return y;
    }

    private double[][] attention(double[][] qkv) {
        int size = width / heads;
        double[][] y = new double[qkv.length][width];
        for (int head = 0; head < heads; head++) {
            int at = head * size;
            for (int row = 0; row < qkv.length; row++) {
                double[] probabilities = new double[row + 1];
                for (int key = 0; key <= row; key++) {
                    for (int i = at; i < at + size; i++) {
                        probabilities[key] += qkv[row][i] * qkv[key][width + i] / Math.sqrt(size);
                    }
                }
                softmax(probabilities, false);
                for (int key = 0; key <= row; key++) {
                    for (int i = at; i < at + size; i++) {
                        y[row][i] += probabilities[key] * qkv[key][2 * width + i];
                    }
                }
            }
        }
        return y;
    }

    private static void add(double[][] x, double[][] to) {
        for (int t = 0; t < to.length; t++) {
            for (int i = 0; i < to[t].length; i++) {
                to[t][i] += x[t][i];
            }
        }
    }
}
