package dev.kindling.device.cpu.rows;

import static dev.kindling.device.cpu.rows.VectorMath.LANES;

import dev.kindling.device.cpu.rows.RowKernels.NormalizedGradient;
import dev.kindling.device.cpu.rows.RowKernels.NormalizedRow;
import jdk.incubator.vector.FloatVector;

/** The layernorm loops of {@link VectorRows}, forward and gradient. */
final class VectorLayerNorm {
    /** Read in place of what is not there: vectors that come from a choice would be kept on the heap. */
    private static final float[] NONE = new float[LANES.length()];

    private VectorLayerNorm() {}

    /** As {@link RowKernels#normalize}, for the elements that fill vectors; returns how many. */
    static int normalize(NormalizedRow row, float[] bias, int biasAt, float[] y, int yAt, int n) {
        float[] x = row.x();
        float[] weight = row.weight();
        FloatVector mean = FloatVector.broadcast(LANES, row.mean());
        FloatVector rstd = FloatVector.broadcast(LANES, row.rstd());
        float[] shift = bias == null ? NONE : bias;
        int shiftAt = bias == null ? 0 : biasAt;
        int shiftStep = bias == null ? 0 : LANES.length();
        int i = 0;
        for (; i <= n - LANES.length(); i += LANES.length(), shiftAt += shiftStep) {
            FloatVector unit =
                    FloatVector.fromArray(LANES, x, row.xAt() + i).sub(mean).mul(rstd);
            unit.fma(
                            FloatVector.fromArray(LANES, weight, row.weightAt() + i),
                            FloatVector.fromArray(LANES, shift, shiftAt))
                    .intoArray(y, yAt + i);
        }
        return i;
    }

    /** As {@link RowKernels#normalizeGradient}, but for dBias. */
    static void gradient(NormalizedRow row, NormalizedGradient gradient, int n) {
        float[] sums = gradient.sums();
        float[] x = row.x();
        float[] dy = gradient.dy();
        float[] weight = row.weight();
        int xAt = row.xAt();
        int dyAt = gradient.dyAt();
        int weightAt = row.weightAt();
        int sumsAt = gradient.dWeightAt();
        FloatVector mean = FloatVector.broadcast(LANES, row.mean());
        FloatVector rstd = FloatVector.broadcast(LANES, row.rstd());
        FloatVector sum = FloatVector.broadcast(LANES, 0f);
        FloatVector projection = FloatVector.broadcast(LANES, 0f);
        int i = 0;
        for (; i <= n - LANES.length(); i += LANES.length()) {
            FloatVector unit =
                    FloatVector.fromArray(LANES, x, xAt + i).sub(mean).mul(rstd);
            FloatVector d = FloatVector.fromArray(LANES, dy, dyAt + i);
            FloatVector g = d.mul(FloatVector.fromArray(LANES, weight, weightAt + i));
            sum = sum.add(g);
            projection = g.fma(unit, projection);
            d.fma(unit, FloatVector.fromArray(LANES, sums, sumsAt + i)).intoArray(sums, sumsAt + i);
        }
        float total = VectorMath.sum(sum.toArray());
        float along = VectorMath.sum(projection.toArray());
        for (int j = i; j < n; j++) {
            float unit = (row.x()[row.xAt() + j] - row.mean()) * row.rstd();
            float d = gradient.dy()[gradient.dyAt() + j];
            float g = d * row.weight()[row.weightAt() + j];
            total += g;
            along += g * unit;
            sums[gradient.dWeightAt() + j] += d * unit;
        }
        spread(row, gradient, total / n, along / n, n);
    }

    private static void spread(NormalizedRow row, NormalizedGradient gradient, float mean, float projection, int n) {
        float[] x = row.x();
        float[] dy = gradient.dy();
        float[] weight = row.weight();
        float[] dx = gradient.dx();
        float[] before = gradient.accumulate() ? dx : NONE;
        int beforeAt = gradient.accumulate() ? gradient.dxAt() : 0;
        int beforeStep = gradient.accumulate() ? LANES.length() : 0;
        int xAt = row.xAt();
        int dyAt = gradient.dyAt();
        int weightAt = row.weightAt();
        int dxAt = gradient.dxAt();
        FloatVector center = FloatVector.broadcast(LANES, row.mean());
        FloatVector rstd = FloatVector.broadcast(LANES, row.rstd());
        FloatVector along = FloatVector.broadcast(LANES, -projection);
        FloatVector less = FloatVector.broadcast(LANES, mean);
        int i = 0;
        for (; i <= n - LANES.length(); i += LANES.length(), beforeAt += beforeStep) {
            FloatVector unit =
                    FloatVector.fromArray(LANES, x, xAt + i).sub(center).mul(rstd);
            FloatVector g = FloatVector.fromArray(LANES, dy, dyAt + i)
                    .mul(FloatVector.fromArray(LANES, weight, weightAt + i))
                    .sub(less);
            unit.fma(along, g)
                    .fma(rstd, FloatVector.fromArray(LANES, before, beforeAt))
                    .intoArray(dx, dxAt + i);
        }
        ScalarRows.spread(row, gradient, mean, projection, i, n);
    }
}
