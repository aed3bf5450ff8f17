package dev.kindling.device.cuda.peer;

import dev.kindling.device.cuda.collective.CollectiveException;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;

/** Not every GPU of the group can read the others' memory; the message says which rank could not, and why. */
public final class PeerAccessException extends CollectiveException {
    private static final long serialVersionUID = 1;

    private PeerAccessException(String message) {
        super(message);
    }

    /**
     * Returns, or throws, on all ranks alike; all call it together.
     *
     * @param problem what went wrong on this rank, or an empty text
     * @param tellAll gives every rank the bytes of all, by rank
     */
    static void throwOnAll(String problem, Function<byte[], byte[][]> tellAll) {
        for (byte[] told : tellAll.apply(problem.getBytes(StandardCharsets.UTF_8))) {
            if (told.length > 0) {
                throw new PeerAccessException(new String(told, StandardCharsets.UTF_8));
            }
        }
    }
}
