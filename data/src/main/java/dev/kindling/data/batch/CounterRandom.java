package dev.kindling.data.batch;

/**
 * Random numbers as a function of (seed, step, index), with no state that has to be carried, saved or
 * shared: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195) over each
 * part in turn.
 */
final class CounterRandom {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private CounterRandom() {}

    /** Uniform in [0, bound), but for a bias below bound / 2^63. */
    static long below(long bound, long seed, long step, long index) {
        long bits = mix(mix(mix(seed) + step) + index);
        return Math.multiplyHigh(bits >>> 1, bound << 1);
    }

    private static long mix(long value) {
        long z = value + GOLDEN_GAMMA;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
