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
public record ExportOptions(String checkpoint, WhichCheckpoint which, Format format, WeightType type, String out) {
    /** The programs for which a folder can be written. */
    public enum Format {
        HF("transformers"),
        NANOGPT("nanoGPT"),
        GGUF("llama.cpp");

        private final String reader;

        Format(String reader) {
            this.reader = reader;
        }

        /** The program that opens the folder. */
        public String reader() {
            return reader;
        }

        /** What its weights may be; the first by default. */
        public List<WeightType> types() {
            return this == GGUF
                    ? List.of(WeightType.F16, WeightType.Q8_0, WeightType.F32)
                    : List.of(WeightType.F32, WeightType.BF16);
        }
    }
}
