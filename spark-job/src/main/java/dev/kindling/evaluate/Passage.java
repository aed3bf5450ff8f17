package dev.kindling.evaluate;

import dev.kindling.data.token.Tokenizer;

/** A run of tokens of one document, scored by one task. */
interface Passage {
    /** Tells the document from all others. */
    String key();

    /** What the document is called in the results. */
    String id();

    /** Whether it is all of its document. */
    boolean whole();

    /**
     * Reads its tokens.
     *
     * @param block tokens of context that are of use, block_size
     * @throws dev.kindling.data.DataException if they cannot be read or are not text of the vocabulary
     */
    void read(Tokenizer tokenizer, int block, Tokens to);

    /** Where the tokens of a passage go. */
    interface Tokens {
        /** Begins anew: what follows sees these tokens and nothing before them. */
        void begin(int[] context);

        /** The next tokens to score. */
        void score(int[] tokens);
    }
}
