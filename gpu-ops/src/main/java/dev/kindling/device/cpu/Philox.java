package dev.kindling.device.cpu;

/** Philox4x32-10, a counter-based generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
final class Philox {
    private static final int MULTIPLIER_0 = 0xD2511F53;
    private static final int MULTIPLIER_1 = 0xCD9E8D57;
    private static final int WEYL_0 = 0x9E3779B9;
    private static final int WEYL_1 = 0xBB67AE85;
    private static final int ROUNDS = 10;
    private static final long LOW = 0xFFFFFFFFL;

    private Philox() {}

    /** Two longs that hold the four words for a counter: words 0, 1 (low, high half) and words 2, 3. */
    static void draw(long seed, long block, int site, int stream, long[] words) {
        int key0 = (int) seed;
        int key1 = (int) (seed >>> 32);
        int c0 = (int) block;
        int c1 = (int) (block >>> 32);
        int c2 = site;
        int c3 = stream;
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = (MULTIPLIER_0 & LOW) * (c0 & LOW);
            long product1 = (MULTIPLIER_1 & LOW) * (c2 & LOW);
            c0 = (int) (product1 >>> 32) ^ c1 ^ key0;
            c1 = (int) product1;
            c2 = (int) (product0 >>> 32) ^ c3 ^ key1;
            c3 = (int) product0;
            key0 += WEYL_0;
            key1 += WEYL_1;
        }
        words[0] = (c0 & LOW) | ((long) c1 << 32);
        words[1] = (c2 & LOW) | ((long) c3 << 32);
    }
}
