package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.VectorMath.LANES;

import dev.kindling.device.PeakRate;
import dev.kindling.device.cpu.rows.CpuThreads;
import java.util.Locale;
import jdk.incubator.vector.FloatVector;

/**
 * The measured peak of the CPU's vector units: independent fused multiply-adds in registers, on all of the device's
 * threads at once. Takes the best of many short runs, so that an interruption does not count.
 */
final class VectorPeakRate {
    private static final int CHAINS = 12;
    private static final int STEPS = 20_000;
    private static final int RUNS = 120;
    /** Keeps the results alive, else the compiler would drop the work. */
    @SuppressWarnings("unused")
    private static volatile float sink;

    private VectorPeakRate() {}

    static PeakRate measure(CpuThreads threads) {
        double best = Double.POSITIVE_INFINITY;
        for (int run = 0; run < RUNS; run++) {
            long began = System.nanoTime();
            threads.parallel(threads.threads(), thread -> sink = multiplyAdds(thread));
            best = Math.min(best, (System.nanoTime() - began) / 1e9);
        }
        double flops = 2.0 * LANES.length() * CHAINS * STEPS * threads.threads() / best;
        return PeakRate.known(
                flops,
                String.format(
                        Locale.ROOT,
                        "%.0f GFLOP/s: measured, fp32 multiply-adds in registers on %d thread(s) with %d lanes",
                        flops / 1e9,
                        threads.threads(),
                        LANES.length()));
    }

    /** Twelve chains, enough to hide the latency of two units; values tend to 1 / (1 - factor) and stay normal. */
    private static float multiplyAdds(int seed) {
        FloatVector factor = FloatVector.broadcast(LANES, 0.5f);
        FloatVector one = FloatVector.broadcast(LANES, 1f);
        FloatVector a = FloatVector.broadcast(LANES, seed);
        FloatVector b = a.add(1f);
        FloatVector c = a.add(2f);
        FloatVector d = a.add(3f);
        FloatVector e = a.add(4f);
        FloatVector f = a.add(5f);
        FloatVector g = a.add(6f);
        FloatVector h = a.add(7f);
        FloatVector i = a.add(8f);
        FloatVector j = a.add(9f);
        FloatVector k = a.add(10f);
        FloatVector l = a.add(11f);
        for (int step = 0; step < STEPS; step++) {
            a = a.fma(factor, one);
            b = b.fma(factor, one);
            c = c.fma(factor, one);
            d = d.fma(factor, one);
            e = e.fma(factor, one);
            f = f.fma(factor, one);
            g = g.fma(factor, one);
            h = h.fma(factor, one);
            i = i.fma(factor, one);
            j = j.fma(factor, one);
            k = k.fma(factor, one);
            l = l.fma(factor, one);
        }
        FloatVector sum = a.add(b)
                .add(c)
                .add(d)
                .add(e)
                .add(f)
                .add(g)
                .add(h)
                .add(i)
                .add(j)
                .add(k)
                .add(l);
        return sum.lane(0);
    }
}
