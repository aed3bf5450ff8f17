package dev.kindling.model;

/**
 * What a checkpoint keeps of the weights, in the layout of the flat buffers.
 *
 * @param first AdamW's first moments
 * @param second AdamW's second moments
 */
public record Snapshot(float[] weights, float[] first, float[] second) {}
