package dev.kindling.model;

/**
 * The state of training that a checkpoint keeps, each array (count) F32 in the layout of the flat buffers.
 *
 * @param weights in F32
 * @param first AdamW's first moments
 * @param second AdamW's second moments
 */
public record Snapshot(float[] weights, float[] first, float[] second) {}
