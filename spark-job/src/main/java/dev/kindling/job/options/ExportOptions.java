package dev.kindling.job.options;

import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.interop.WeightType;
import java.util.List;

/**
 * Options of {@code export}.
 *
 * @param checkpoint a run directory or a checkpoint directory
 * @param which checkpoint of a run directory
 * @param format of the folder
 * @param type of the weights, one of the format's
 * @param out the folder to make
 */
public record ExportOptions(
        String checkpoint, WhichCheckpoint which, Format format, WeightType type, String out, boolean verbose) {
    /** The programs for which a folder can be written. */
    public enum Format {
        HF("transformers", WeightType.F32, WeightType.BF16),
        NANOGPT("nanoGPT", WeightType.F32, WeightType.BF16),
        GGUF("llama.cpp", WeightType.F16, WeightType.Q8_0, WeightType.F32);

        private final String reader;
        private final List<WeightType> types;

        Format(String reader, WeightType... types) {
            this.reader = reader;
            this.types = List.of(types);
        }

        /** The program that opens the folder. */
        public String reader() {
            return reader;
        }

        /** What its weights may be; the first by default. */
        public List<WeightType> types() {
            return types;
        }
    }
}
