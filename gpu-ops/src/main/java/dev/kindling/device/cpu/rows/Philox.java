package dev.kindling.device.cpu.rows;

/** Philox4x32-10, a counter-based generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
final class Philox {
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    private static final long WEYL_0 = 0x9E3779B9L;
    private static final long WEYL_1 = 0xBB67AE85L;
    private static final int ROUNDS = 10;
    private static final long LOW = 0xFFFFFFFFL;

    private Philox() {}

    /** Two longs that hold the four words for a counter: words 0, 1 (low, high half) and words 2, 3. */
    static void draw(long seed, long block, int site, int stream, long[] words) {
        long key0 = seed & LOW;
        long key1 = seed >>> 32;
        long c0 = block & LOW;
        long c1 = block >>> 32;
        long c2 = site & LOW;
        long c3 = stream & LOW;
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = MULTIPLIER_0 * c0;
            long product1 = MULTIPLIER_1 * c2;
            c0 = (product1 >>> 32) ^ c1 ^ (key0 & LOW);
            c1 = product1 & LOW;
            c2 = (product0 >>> 32) ^ c3 ^ (key1 & LOW);
            c3 = product0 & LOW;
            key0 += WEYL_0;
            key1 += WEYL_1;
        }
        words[0] = c0 | (c1 << 32);
        words[1] = c2 | (c3 << 32);
    }
}
