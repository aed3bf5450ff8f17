package dev.kindling.allreduce.link;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The handshake of a plain connection between two ranks. Each side sends 32 random bytes and proves, by an HMAC-SHA256
 * over both, that it knows the application's secret; a side that cannot is told nothing and disconnected. Then the
 * server checks the caller's generation and rank. Like Spark's own authentication without encryption, this guards who
 * is connected, not what a listener on the wire can see. Without {@code spark.authenticate} there is no secret, and the
 * key is public.
 *
 * <p>Caller: {@link Header} of kind HELLO, nonce. Server: nonce, its proof. Caller: its proof. Server: an empty UTF
 * string, or the reason why it refuses. Immutable.
 */
public final class Handshake {
    private static final int NONCE_BYTES = 32;
    private static final int PROOF_BYTES = 32;
    private static final String ALGORITHM = "HmacSHA256";
    private static final SecureRandom RANDOM = new SecureRandom();

    private final SecretKeySpec key;
    private final int generation;
    private final int worldSize;

    /**
     * A handshake for the ranks of one generation.
     *
     * @param secret the application's; without one, anything that all ranks agree on
     */
    public Handshake(String secret, int generation, int worldSize) {
        this.key = new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), ALGORITHM);
        this.generation = generation;
        this.worldSize = worldSize;
    }

    int generation() {
        return generation;
    }

    int worldSize() {
        return worldSize;
    }

    /** The caller's side, within {@code millis}. */
    void greet(Socket server, int rank, long millis) throws IOException {
        Deadline deadline = new Deadline(millis);
        byte[] hello =
                new Header(generation, rank, Header.Kind.HELLO, 0, 0).encode().array();
        byte[] mine = nonce();
        DataOutputStream out = new DataOutputStream(server.getOutputStream());
        out.write(ByteBuffer.allocate(hello.length + mine.length)
                .put(hello)
                .put(mine)
                .array());
        byte[] theirs = read(server, NONCE_BYTES, deadline);
        if (!MessageDigest.isEqual(read(server, PROOF_BYTES, deadline), proof("server", hello, mine, theirs))) {
            throw new IOException("it does not know this application's secret (spark.authenticate.secret)");
        }
        out.write(proof("caller", hello, mine, theirs));
        String refusal = new DataInputStream(server.getInputStream()).readUTF();
        if (!refusal.isEmpty()) {
            throw new IOException(refusal);
        }
    }

    /**
     * The server's side, within {@code millis}.
     *
     * @return the caller's rank
     */
    int answer(Socket caller, long millis) throws IOException {
        Deadline deadline = new Deadline(millis);
        byte[] hello = read(caller, Header.SIZE, deadline);
        byte[] theirs = read(caller, NONCE_BYTES, deadline);
        byte[] mine = nonce();
        DataOutputStream out = new DataOutputStream(caller.getOutputStream());
        byte[] proof = proof("server", hello, theirs, mine);
        out.write(ByteBuffer.allocate(mine.length + proof.length)
                .put(mine)
                .put(proof)
                .array());
        if (!MessageDigest.isEqual(read(caller, PROOF_BYTES, deadline), proof("caller", hello, theirs, mine))) {
            throw new IOException("it does not know this application's secret");
        }
        try {
            int rank =
                    Header.decode(ByteBuffer.wrap(hello), generation, worldSize).from();
            out.writeUTF("");
            return rank;
        } catch (IllegalArgumentException e) {
            out.writeUTF(e.getMessage());
            throw new IOException(e.getMessage(), e);
        }
    }

    private static byte[] nonce() {
        byte[] nonce = new byte[NONCE_BYTES];
        RANDOM.nextBytes(nonce);
        return nonce;
    }

    private byte[] proof(String side, byte[] hello, byte[] callersNonce, byte[] serversNonce) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(key);
            mac.update(("kindling allreduce " + side).getBytes(StandardCharsets.UTF_8));
            mac.update(hello);
            mac.update(callersNonce);
            return mac.doFinal(serversNonce);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java runtime has no " + ALGORITHM, e);
        }
    }

    private static byte[] read(Socket socket, int bytes, Deadline deadline) throws IOException {
        byte[] all = new byte[bytes];
        InputStream in = socket.getInputStream();
        for (int at = 0; at < bytes; ) {
            socket.setSoTimeout((int) Math.max(1, deadline.left()));
            int n = in.read(all, at, bytes - at);
            if (n < 0) {
                throw new EOFException("it hung up during the handshake");
            }
            at += n;
        }
        return all;
    }
}
