package dev.kindling.generate;

import java.io.Serializable;

/**
 * A prompt of a file.
 *
 * @param number from 0, by which it is seeded
 * @param id as the file names it, else its number
 * @param problem why it cannot be continued; null where it can
 */
public record Prompt(long number, String id, String text, String problem) implements Serializable {}
