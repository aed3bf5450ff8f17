package dev.kindling.allreduce.link;

import java.io.Serializable;

/**
 * Where a rank runs.
 *
 * @param rank 0 .. worldSize-1
 * @param host name or address under which the other executors reach it
 * @param port of the server on which it receives gradients; 0 if the transport needs none
 * @param executorId Spark's id of its executor
 * @param gpu the GPU address that Spark assigned; empty without one
 */
public record Peer(int rank, String host, int port, String executorId, String gpu) implements Serializable {

    /** For messages to people: "rank 1 (executor 3 on node7, GPU 0)". */
    public String describe() {
        return "rank " + rank + " (executor " + executorId + " on " + host + (gpu.isEmpty() ? "" : ", GPU " + gpu)
                + ")";
    }
}
