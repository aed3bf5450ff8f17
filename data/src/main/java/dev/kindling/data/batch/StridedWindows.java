package dev.kindling.data.batch;

import java.util.Arrays;

/**
 * Cuts a stream of tokens into windows of at most T = block_size inputs that advance by the stride S. Each window
 * scores the tokens that no earlier window has scored: the first up to T, the following S each, the last the rest. So
 * every token is scored exactly once, and once there are T tokens before it, with at least T - S of them as context. A
 * window ends at the newest token.
 */
public final class StridedWindows {
    /** Takes windows. */
    @FunctionalInterface
    public interface Sink {
        /**
         * Takes one window.
         *
         * @param tokens the inputs and the last target: 2 to T + 1 tokens
         * @param scored how many of the targets count, from the last backwards
         */
        void window(int[] tokens, int scored);
    }

    private final int block;
    private final int stride;
    private final Sink sink;
    private final int[] buffer;
    private int length;
    private int pending;

    /**
     * Cuts windows for {@code sink}.
     *
     * @param block T, inputs of the longest window
     * @param stride S, 1 to {@code block}
     */
    public StridedWindows(int block, int stride, Sink sink) {
        this.block = block;
        this.stride = stride;
        this.sink = sink;
        this.buffer = new int[2 * (block + 1)];
    }

    /** Emits the rest, then begins a new stream with tokens that are context only. */
    public void begin(int[] context) {
        finish();
        int kept = Math.min(block, context.length);
        System.arraycopy(context, context.length - kept, buffer, 0, kept);
        length = kept;
    }

    /** Takes the next tokens. The very first one of a stream without context is context only. */
    public void score(int[] tokens) {
        for (int token : tokens) {
            if (length == buffer.length) {
                System.arraycopy(buffer, length - block, buffer, 0, block);
                length = block;
            }
            buffer[length] = token;
            pending += length == 0 ? 0 : 1;
            length++;
            if (length > block && pending >= Math.min(stride, length - 1)) {
                emit();
            }
        }
    }

    /** Emits the rest. */
    public void finish() {
        if (pending > 0) {
            emit();
        }
        length = 0;
    }

    private void emit() {
        sink.window(Arrays.copyOfRange(buffer, Math.max(0, length - block - 1), length), pending);
        pending = 0;
    }
}
