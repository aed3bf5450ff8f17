package dev.kindling.generate;

import java.io.Serializable;

/**
 * A prompt of a file.
 *
 * @param number from 0; decides the seeds of its texts
 * @param id as the file gives it, or the number
 * @param problem why it cannot be continued; null if it can
 */
public record Prompt(long number, String id, String text, String problem) implements Serializable {}
