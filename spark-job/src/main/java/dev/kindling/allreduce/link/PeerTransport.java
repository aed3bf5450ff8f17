package dev.kindling.allreduce.link;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportClientBootstrap;
import org.apache.spark.network.client.TransportClientFactory;
import org.apache.spark.network.crypto.AuthClientBootstrap;
import org.apache.spark.network.crypto.AuthServerBootstrap;
import org.apache.spark.network.netty.SparkTransportConf;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.TransportServer;
import org.apache.spark.network.server.TransportServerBootstrap;
import org.apache.spark.network.util.TransportConf;
import scala.Option;

/**
 * One server and its outgoing connections over Spark's network-common, with Spark's own security. With {@code
 * spark.authenticate}, both sides prove that they know the application's secret before any message is looked at. With
 * {@code spark.network.crypto.enabled}, or {@code spark.ssl.rpc.enabled} for TLS, everything is encrypted. The
 * transport's settings are {@code spark.kindling.io.*}, named like Spark's own {@code spark.rpc.io.*}.
 */
public final class PeerTransport implements AutoCloseable {
    private static final String MODULE = "kindling";
    private static final int THREADS = 2;

    private final TransportContext context;
    private final TransportServer server;
    private final TransportClientFactory clients;
    private final String host;

    /**
     * Starts a server for {@code handler} on a free port of this executor; on the driver, which others may reach by another
     * address than it has, at {@code spark.driver.bindAddress}.
     */
    public static PeerTransport serve(RpcHandler handler) {
        SparkEnv env = SparkEnv.get();
        if (env == null) {
            throw new IllegalStateException("no SparkEnv in this JVM; a PeerTransport lives in a driver or executor");
        }
        return new PeerTransport(env, handler);
    }

    private PeerTransport(SparkEnv env, RpcHandler handler) {
        SparkConf conf = env.conf();
        SecurityManager security = env.securityManager();
        SparkConf tuned = conf.clone();
        // Both ends are ours, so the newer version is safe to take, whatever the cluster speaks.
        tuned.setIfMissing("spark.network.crypto.authEngineVersion", "2");
        // Cipher negotiation by SASL is the older protocol; the auth engine alone keeps one path to reason about.
        tuned.set("spark.network.crypto.saslFallback", "false");
        TransportConf transport = SparkTransportConf.fromSparkConf(
                tuned, MODULE, THREADS, Option.empty(), Option.apply(security.getRpcSSLOptions()));
        List<TransportServerBootstrap> serverSide = new ArrayList<>();
        List<TransportClientBootstrap> clientSide = new ArrayList<>();
        if (security.isAuthenticationEnabled()) {
            serverSide.add(new AuthServerBootstrap(transport, security));
            clientSide.add(new AuthClientBootstrap(transport, conf.getAppId(), security));
        }
        this.host = env.blockManager().blockManagerId().host();
        boolean onDriver = env.executorId().equals("driver");
        String bound = onDriver ? conf.get("spark.driver.bindAddress", host) : host;
        this.context = new TransportContext(transport, handler);
        this.server = context.createServer(bound, 0, serverSide);
        this.clients = context.createClientFactory(clientSide);
    }

    /** The address at which others reach the server. */
    public String host() {
        return host;
    }

    /** The port the server listens on. */
    public int port() {
        return server.getPort();
    }

    /** A new connection, authenticated where Spark says so. */
    public TransportClient connect(Peer peer) {
        try {
            return clients.createUnmanagedClient(peer.host(), peer.port());
        } catch (IOException | RuntimeException e) {
            throw new AllReduceException(
                    "cannot connect to " + peer.describe() + " at port " + peer.port() + ": " + e, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AllReduceException("interrupted while connecting to " + peer.describe(), e);
        }
    }

    @Override
    public void close() {
        clients.close();
        server.close();
        context.close();
    }
}
