package dev.kindling.profile;

/**
 * One run of an operator on the device.
 *
 * @param operator what ran, with its shape where that decides the time: {@code "matmul (4096, 384, 1536)"} is M, N, K
 * @param startMicros since the profiler's first span
 * @param micros of device time
 */
public record Span(String operator, double startMicros, double micros) {}
