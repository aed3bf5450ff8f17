package dev.kindling.allreduce.link;

import org.apache.spark.SecurityManager;
import org.apache.spark.SparkEnv;

/**
 * The receiving half of a mesh allreduce. It is opened before the ranks know each other, so that they can tell each
 * other its port, and accepts connections at once. Messages of other generations are refused.
 */
public abstract sealed class MeshEndpoint implements AutoCloseable permits SocketEndpoint, StreamEndpoint {
    private static final long SLACK_BYTES = 64L << 20;

    private final Mailbox mailbox;

    MeshEndpoint(int worldSize, long maxElements) {
        mailbox = new Mailbox(worldSize, 2 * Float.BYTES * maxElements + SLACK_BYTES);
    }

    /**
     * Opens a server on a free port: Spark's own transport if Spark's settings ask for encryption, otherwise plain
     * sockets, which are faster. Both authenticate peers if {@code spark.authenticate} is on.
     *
     * @param maxElements the most floats that a step reduces; bounds what may wait in memory
     */
    public static MeshEndpoint open(int generation, int worldSize, long maxElements) {
        SparkEnv env = SparkEnv.get();
        if (env == null) {
            throw new IllegalStateException("no SparkEnv in this JVM; a MeshEndpoint lives in a driver or executor");
        }
        SecurityManager security = env.securityManager();
        if (Encryption.setting(env.conf()).isPresent()) {
            return new StreamEndpoint(generation, worldSize, maxElements);
        }
        String secret = security.isAuthenticationEnabled() ? security.getSecretKey() : "spark.authenticate is off";
        return new SocketEndpoint(
                new Handshake(secret, generation, worldSize),
                env.blockManager().blockManagerId().host(),
                maxElements);
    }

    /** The port peers connect to. */
    public abstract int port();

    public Mailbox mailbox() {
        return mailbox;
    }

    /** This rank's connections, none of which is open yet. */
    public abstract Links connect(Group group);

    @Override
    public abstract void close();
}
