package dev.kindling.bench;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * What {@link ChaosJar} has every executor call: writes down each step that a rank has finished, and throws in a rank, or
 * closes a connection to a peer, when a file asks for it. A line of {@code PID.steps} is: milliseconds since 1970,
 * generation, step.
 */
public final class ChaosHooks {
    /** The system property of executors that names the folder of these files. */
    static final String FOLDER = "kindling.chaos.folder";

    private static final Path AT = Path.of(System.getProperty(FOLDER));

    private ChaosHooks() {}

    private static Path file(String ending) {
        return AT.resolve(ProcessHandle.current().pid() + ending);
    }

    /** The first thing that {@code RankSession.stepReached} does. */
    public static void stepReached(Object session, long step) throws Exception {
        Object generation = session.getClass().getMethod("generation").invoke(session);
        int number = (int) generation.getClass().getMethod("number").invoke(generation);
        String line = System.currentTimeMillis() + " " + number + " " + step + "\n";
        Files.writeString(file(".steps"), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        if (Files.deleteIfExists(file(".exception"))) {
            throw new IllegalStateException("an exception in a rank, by ChaosBench");
        }
    }

    /** The first thing that {@code SocketLinks.poll} does, on the transport thread. */
    public static void poll(Object links) throws Exception {
        if (Files.deleteIfExists(file(".socket"))) {
            closeOne(links);
        }
    }

    private static void closeOne(Object links) throws ReflectiveOperationException, IOException {
        Field field = links.getClass().getDeclaredField("selector");
        field.setAccessible(true);
        Optional<SelectionKey> key = ((Selector) field.get(links))
                .keys().stream().filter(SelectionKey::isValid).findFirst();
        if (key.isPresent()) {
            key.get().channel().close();
        }
    }
}
