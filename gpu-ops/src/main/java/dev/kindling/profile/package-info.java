/**
 * Times operators and attention backends by the device's own clock.
 *
 * <p>In: a device, wrapped by a {@link dev.kindling.profile.Profiler}, and whatever runs on it. Out: {@link
 * dev.kindling.profile.Span}s, which become a table of operators or a Chrome trace. {@link
 * dev.kindling.profile.AttentionTimer} times one attention backend alone.
 *
 * <p>Called by the commands {@code profile}, {@code attention} and {@code compare}. Starts no threads; used by the
 * thread that uses the device.
 */
package dev.kindling.profile;
