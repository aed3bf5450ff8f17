/** The CPU device: pure Java on heap {@code float[]}, the Vector API where the JVM has it, and oneDNN for bf16. */
package dev.kindling.device.cpu;
