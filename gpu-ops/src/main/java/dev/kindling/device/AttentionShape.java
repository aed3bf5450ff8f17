package dev.kindling.device;

import dev.kindling.tensor.DType;
import java.util.Locale;

/**
 * The sizes and options of an attention call, without its data: what a backend needs to say whether it can run it.
 *
 * @param batch B: sequences, packed or dense
 * @param queryLength Tq; the longest when packed
 * @param keyLength Tk; the longest when packed
 * @param headDim D of query and key
 * @param valueDim of value and output
 */
public record AttentionShape(
        int batch,
        int heads,
        int queryLength,
        int keyLength,
        int headDim,
        int valueDim,
        DType dtype,
        boolean causal,
        MaskKind mask,
        float dropout,
        boolean packed) {
    public enum MaskKind {
        NONE,
        BOOLEAN,
        ADDITIVE
    }

    /**
     * Self-attention of heads of one width, without a mask.
     *
     * @param length T; the longest when packed
     */
    public static AttentionShape self(
            int batch, int heads, int length, int headDim, DType dtype, boolean causal, float dropout, boolean packed) {
        return new AttentionShape(
                batch, heads, length, length, headDim, headDim, dtype, causal, MaskKind.NONE, dropout, packed);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "B%d H%d Tq%d Tk%d D%d Dv%d %s%s%s%s%s",
                batch,
                heads,
                queryLength,
                keyLength,
                headDim,
                valueDim,
                dtype,
                causal ? " causal" : "",
                mask == MaskKind.NONE ? "" : " mask " + mask,
                dropout > 0 ? " dropout " + dropout : "",
                packed ? " packed" : "");
    }
}
