package dev.kindling.coordinate;

import dev.kindling.coordinate.message.Generation;

/**
 * What the driver does when a rank reports or asks. Called by one thread, in the order of arrival, and only for ranks
 * of the current generation; a generation ends only after the running call has returned.
 */
@FunctionalInterface
public interface RequestHandler {
    /**
     * Takes a report, or answers a request.
     *
     * @param generation the generation of the rank that asks
     * @param rank the rank that asks
     * @param topic what about, as the two sides have agreed
     * @param payload as the rank sent it
     * @return the answer; ignored for a report
     * @throws Exception reaches a requesting rank as an error; fails the generation for a report
     */
    byte[] handle(Generation generation, int rank, String topic, byte[] payload) throws Exception;
}
