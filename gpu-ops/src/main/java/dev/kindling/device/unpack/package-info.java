/**
 * Where a process may put files that it will load as code: the natives of JCuda and oneDNN, compiled kernels.
 *
 * <p>In: a folder that everybody may write to, such as {@code /tmp}, and a name. Out: a folder below it that is this user's
 * alone. Any thread may ask.
 */
package dev.kindling.device.unpack;
