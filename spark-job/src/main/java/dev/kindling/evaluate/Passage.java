package dev.kindling.evaluate;

import dev.kindling.data.token.Tokenizer;

/** Consecutive tokens of one document, scored by one task. */
interface Passage {
    /** A key that identifies the document. */
    default String key() {
        return id();
    }

    /** The id of the document in the results. */
    String id();

    /** Whether the passage is its whole document. */
    boolean whole();

    /**
     * Reads its tokens.
     *
     * @param block block_size: more tokens of context than this are of no use
     * @throws dev.kindling.data.DataException if the text cannot be read or tokenised
     */
    void read(Tokenizer tokenizer, int block, Tokens to);

    /** Where the tokens of a passage go. */
    interface Tokens {
        /** Begins a new stream: the tokens that follow see this context and nothing before it. */
        void begin(int[] context);

        /** The next tokens to score. */
        void score(int[] tokens);
    }
}
