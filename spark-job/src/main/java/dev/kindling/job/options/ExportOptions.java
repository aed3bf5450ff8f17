package dev.kindling.job.options;

import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.tensor.DType;

/**
 * Options of {@code export}.
 *
 * @param checkpoint a run directory or a checkpoint directory
 * @param which checkpoint of a run directory
 * @param format of the folder
 * @param type of the weights: F32 or BF16
 * @param out the folder to make
 */
public record ExportOptions(
        String checkpoint, WhichCheckpoint which, Format format, DType type, String out, boolean verbose) {
    /** The programs for which a folder can be written. */
    public enum Format {
        /** Hugging Face's transformers. */
        HF
    }
}
