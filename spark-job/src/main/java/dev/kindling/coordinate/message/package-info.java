/**
 * What ranks and driver say to each other, as records, and their one encoding.
 *
 * <p>A rank sends a {@link dev.kindling.coordinate.message.RankMessage}, the driver answers with a {@link
 * dev.kindling.coordinate.message.DriverReply}. What a job's own code has to say travels inside as a value of a {@link
 * dev.kindling.coordinate.message.Topic}. {@link dev.kindling.coordinate.message.MessageCodec} makes bytes of all of it and
 * checks bytes from the network. Records only, safe to share between threads.
 */
package dev.kindling.coordinate.message;
