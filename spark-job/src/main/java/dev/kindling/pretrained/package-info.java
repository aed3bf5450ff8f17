/**
 * Models from and to other programs' folders, on any Hadoop file system.
 *
 * <p>In: a folder of Hugging Face's transformers, or a committed checkpoint. Out: a checkpoint of step 0, from which every
 * command goes on, or a folder that transformers, nanoGPT or llama.cpp opens. {@link dev.kindling.interop} knows the formats; here
 * they meet configuration, tokenizers and checkpoints.
 *
 * <p>Used by the driver, in {@code import}, {@code export} and {@code train}. Starts no threads and no Spark jobs.
 */
package dev.kindling.pretrained;
