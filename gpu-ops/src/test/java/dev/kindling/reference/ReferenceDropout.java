package dev.kindling.reference;

import dev.kindling.device.Dropout;

/** The masks that {@link Dropout} defines, straight from its text. */
public record ReferenceDropout(Dropout dropout, long seed, long stream) {
    private static final long MASK = 0xFFFFFFFFL;

    /** Four words of Philox4x32-10. */
    public static long[] philox(long[] counter, long[] key) {
        long[] c = counter.clone();
        long k0 = key[0];
        long k1 = key[1];
        for (int round = 0; round < 10; round++) {
            long p0 = 0xD2511F53L * c[0];
            long p1 = 0xCD9E8D57L * c[2];
            c = new long[] {(p1 >>> 32) ^ c[1] ^ k0, p1 & MASK, (p0 >>> 32) ^ c[3] ^ k1, p0 & MASK};
            k0 = (k0 + 0x9E3779B9L) & MASK;
            k1 = (k1 + 0xBB67AE85L) & MASK;
        }
        return c;
    }

    private double factor(long block, int decision) {
        if (!dropout.active()) {
            return 1;
        }
        long[] words = philox(
                new long[] {block & MASK, block >>> 32, dropout.site(), stream & MASK},
                new long[] {seed & MASK, seed >>> 32});
        long bits = words[decision / 2] >>> (16 * (decision % 2)) & 0xFFFF;
        return bits >= dropout.threshold() ? 65536.0 / (65536 - dropout.threshold()) : 0;
    }

    /** What element e of a dense tensor is multiplied by. */
    public double element(long e) {
        return factor(e / 8, (int) (e % 8));
    }

    /** What the attention probability of a row, counted over (b, h, row), and column is multiplied by. */
    public double attention(long row, int column, int keyLength) {
        long block = (row * ((keyLength + 31) / 32) + column / 32) * 4 + column % 8 / 2;
        return factor(block, column % 32 / 8 * 2 + column % 2);
    }
}
