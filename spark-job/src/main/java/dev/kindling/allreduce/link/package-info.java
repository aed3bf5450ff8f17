/**
 * The connections under the allreduce: who is connected, how a message looks, and what has arrived.
 *
 * <p>In: payloads for a rank or for all. Out: the payloads of the others, by kind, sequence number and sender, in a
 * {@link dev.kindling.allreduce.link.Mailbox}. There are two transports: plain sockets with an HMAC handshake ({@link
 * dev.kindling.allreduce.link.SocketEndpoint}), and Spark's own transport where Spark's settings ask for encryption.
 * Every message carries its generation; those of other generations are refused. All waits are bounded.
 *
 * <p>Called by {@code allreduce}, and by {@code coordinate} when ranks connect. Sockets are read and written by the
 * allreduce's transport thread, after one thread has accepted a caller and a short-lived one has checked it; Spark's
 * transport brings its own Netty threads.
 */
package dev.kindling.allreduce.link;
