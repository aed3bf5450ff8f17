package dev.kindling.nn;

import dev.kindling.device.Gelu;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import java.util.HashMap;
import java.util.Map;

/** The model's mean loss in double precision, written down as plainly as possible: what {@link Gpt} must agree with. */
final class ReferenceGpt {
    private final GptConfig config;
    private final Map<String, Parameters.Entry> entries = new HashMap<>();

    ReferenceGpt(Parameters parameters) {
        config = parameters.config();
        parameters.entries().forEach(entry -> entries.put(entry.name(), entry));
    }

    /** The mean loss over all rows whose target is not -1; {@code weights} is laid out as {@link Parameters}. */
    double loss(double[] weights, int[] tokens, int[] targets, int length) {
        double sum = 0;
        int counted = 0;
        for (int start = 0; start < tokens.length; start += length) {
            double[][] logits = logits(weights, tokens, start, length);
            for (int t = 0; t < length; t++) {
                if (targets[start + t] >= 0) {
                    sum += logSumExp(logits[t]) - logits[t][targets[start + t]];
                    counted++;
                }
            }
        }
        return sum / counted;
    }

    double[][] logits(double[] w, int[] tokens, int start, int length) {
        int c = config.width();
        double[][] residual = new double[length][c];
        for (int t = 0; t < length; t++) {
            for (int i = 0; i < c; i++) {
                residual[t][i] = w[at("wte.weight") + tokens[start + t] * c + i] + w[at("wpe.weight") + t * c + i];
            }
        }
        for (int layer = 0; layer < config.layers(); layer++) {
            String h = "h." + layer + ".";
            double[][] normed = layerNorm(w, residual, h + "ln_1");
            double[][] qkv = linear(w, normed, h + "attn.c_attn", 3 * c);
            addTo(residual, linear(w, attention(qkv), h + "attn.c_proj", c));
            double[][] hidden = linear(w, layerNorm(w, residual, h + "ln_2"), h + "mlp.c_fc", 4 * c);
            for (double[] row : hidden) {
                for (int i = 0; i < row.length; i++) {
                    row[i] = gelu(row[i]);
                }
            }
            addTo(residual, linear(w, hidden, h + "mlp.c_proj", c));
        }
        double[][] last = layerNorm(w, residual, "ln_f");
        double[][] logits = new double[length][config.vocabulary()];
        for (int t = 0; t < length; t++) {
            for (int v = 0; v < config.vocabulary(); v++) {
                for (int i = 0; i < c; i++) {
                    logits[t][v] += last[t][i] * w[at("wte.weight") + v * c + i];
                }
            }
        }
        return logits;
    }

    private int at(String name) {
        return (int) entries.get(name).offset();
    }

    private double[][] layerNorm(double[] w, double[][] x, String name) {
        int c = config.width();
        double[][] y = new double[x.length][c];
        for (int t = 0; t < x.length; t++) {
            double mean = 0;
            for (double value : x[t]) {
                mean += value / c;
            }
            double variance = 0;
            for (double value : x[t]) {
                variance += (value - mean) * (value - mean) / c;
            }
            for (int i = 0; i < c; i++) {
                double bias = config.bias() ? w[at(name + ".bias") + i] : 0;
                y[t][i] = (x[t][i] - mean) / Math.sqrt(variance + 1e-5) * w[at(name + ".weight") + i] + bias;
            }
        }
        return y;
    }

    private double[][] linear(double[] w, double[][] x, String name, int columns) {
        double[][] y = new double[x.length][columns];
        for (int t = 0; t < x.length; t++) {
            for (int j = 0; j < columns; j++) {
                double sum = config.bias() ? w[at(name + ".bias") + j] : 0;
                for (int i = 0; i < x[t].length; i++) {
                    sum += x[t][i] * w[at(name + ".weight") + i * columns + j];
                }
                y[t][j] = sum;
            }
        }
        return y;
    }

    private double[][] attention(double[][] qkv) {
        int c = config.width();
        int d = config.headDim();
        double[][] out = new double[qkv.length][c];
        for (int head = 0; head < config.heads(); head++) {
            for (int row = 0; row < qkv.length; row++) {
                double[] scores = new double[row + 1];
                for (int column = 0; column <= row; column++) {
                    for (int i = 0; i < d; i++) {
                        scores[column] += qkv[row][head * d + i] * qkv[column][c + head * d + i] / Math.sqrt(d);
                    }
                }
                double total = logSumExp(scores);
                for (int column = 0; column <= row; column++) {
                    for (int i = 0; i < d; i++) {
                        out[row][head * d + i] += Math.exp(scores[column] - total) * qkv[column][2 * c + head * d + i];
                    }
                }
            }
        }
        return out;
    }

    private double gelu(double x) {
        if (config.activation() == Gelu.Form.TANH) {
            return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
        }
        return x / 2 * (1 + erf(x / Math.sqrt(2)));
    }

    /** Maclaurin's series for small arguments, erfc's continued fraction for large ones, where the series cancels. */
    private static double erf(double x) {
        if (Math.abs(x) > 3) {
            double fraction = 0;
            for (int n = 60; n > 0; n--) {
                fraction = n / 2.0 / (Math.abs(x) + fraction);
            }
            return Math.signum(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (Math.abs(x) + fraction));
        }
        double term = x;
        double sum = x;
        for (int n = 1; n < 100; n++) {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }

    private static void addTo(double[][] x, double[][] y) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += y[t][i];
            }
        }
    }

    private static double logSumExp(double[] x) {
        double largest = Double.NEGATIVE_INFINITY;
        for (double value : x) {
            largest = Math.max(largest, value);
        }
        double sum = 0;
        for (double value : x) {
            sum += Math.exp(value - largest);
        }
        return largest + Math.log(sum);
    }
}
