/**
 * Text to token ids and back.
 *
 * <p>In: text, or a vocabulary that was saved as JSON. Out: ids from 0 to vocabSize - 1. There are three
 * tokenizers: one id per character ({@code char}), GPT-2's byte pairs ({@code gpt2}), and byte pairs of another vocabulary
 * ({@code bpe}); {@link dev.kindling.data.token.Tokenizers} makes them, and {@link
 * dev.kindling.data.token.HuggingFaceTokenizer} reads and writes those of Hugging Face.
 *
 * <p>Called when shards are written and opened, and wherever a checkpoint is used to score or to generate. Starts no
 * threads; tokenizers are immutable and shared between threads.
 */
package dev.kindling.data.token;
