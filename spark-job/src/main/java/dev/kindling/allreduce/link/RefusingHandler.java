package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.OneForOneStreamManager;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/** A handler for a side that makes calls and accepts none. */
public final class RefusingHandler extends RpcHandler {
    private final StreamManager streams = new OneForOneStreamManager();

    @Override
    public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
        throw new IllegalArgumentException("this end of the allreduce takes no messages");
    }

    @Override
    public StreamManager getStreamManager() {
        return streams;
    }
}
