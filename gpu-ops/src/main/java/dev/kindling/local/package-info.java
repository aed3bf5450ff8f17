/**
 * A trained model in any Java program, without Spark: this module and {@code kindling-data} are all that is needed.
 *
 * <p>In: a run directory, a checkpoint or a GPT-2 folder of Hugging Face's transformers on this host. Out: text that
 * continues a prompt, and how well the model predicts a text ({@link dev.kindling.local.LanguageModel}). The jobs of
 * {@code spark-job} do the same for tables of texts; {@link dev.kindling.local.Completion} is theirs as well.
 *
 * <p>Starts no threads but those of the CPU device.
 */
package dev.kindling.local;
