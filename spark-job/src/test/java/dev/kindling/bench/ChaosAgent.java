package dev.kindling.bench;

import java.io.IOException;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.lang.reflect.Field;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.ProtectionDomain;
import java.util.Optional;
import org.apache.xbean.asm9.ClassReader;
import org.apache.xbean.asm9.ClassVisitor;
import org.apache.xbean.asm9.ClassWriter;
import org.apache.xbean.asm9.MethodVisitor;
import org.apache.xbean.asm9.Opcodes;

/**
 * What {@link ChaosBench} has in every executor: a Java agent that writes down each step that a rank has finished, and that
 * throws in a rank, or closes a connection to a peer, when a file asks for it. The folder is its argument. A line of {@code
 * PID.steps} is: milliseconds since 1970, generation, step.
 */
public final class ChaosAgent {
    private static final String SELF = "dev/kindling/bench/ChaosAgent";

    private static Path folder;
    private static volatile Object links;

    private ChaosAgent() {}

    /** Called by the JVM before main. */
    public static void premain(String argument, Instrumentation instrumentation) {
        folder = Path.of(argument);
        instrumentation.addTransformer(new Hooks());
    }

    private static String pid() {
        return Long.toString(ProcessHandle.current().pid());
    }

    /** The first thing that {@code RankSession.stepReached} does. */
    public static void stepReached(Object session, long step) throws Exception {
        Object generation = session.getClass().getMethod("generation").invoke(session);
        int number = (int) generation.getClass().getMethod("number").invoke(generation);
        String line = System.currentTimeMillis() + " " + number + " " + step + "\n";
        Files.writeString(folder.resolve(pid() + ".steps"), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        if (Files.deleteIfExists(folder.resolve(pid() + ".exception"))) {
            throw new IllegalStateException("an exception in a rank, by ChaosBench");
        }
    }

    /** The first thing that {@code SocketLinks.poll} does, on the transport thread. */
    public static void poll(Object now) throws Exception {
        links = now;
        if (Files.deleteIfExists(folder.resolve(pid() + ".socket"))) {
            closeOne();
        }
    }

    private static void closeOne() throws ReflectiveOperationException, IOException {
        Field field = links.getClass().getDeclaredField("selector");
        field.setAccessible(true);
        Optional<SelectionKey> key = ((Selector) field.get(links))
                .keys().stream().filter(SelectionKey::isValid).findFirst();
        if (key.isPresent()) {
            key.get().channel().close();
        }
    }

    /** Puts the two calls where they belong. */
    private static final class Hooks implements ClassFileTransformer {
        @Override
        public byte[] transform(
                ClassLoader loader, String name, Class<?> redefined, ProtectionDomain domain, byte[] bytes) {
            return switch (String.valueOf(name)) {
                case "dev/kindling/coordinate/RankSession" -> hook(bytes, "stepReached", "(Ljava/lang/Object;J)V");
                case "dev/kindling/allreduce/link/SocketLinks" -> hook(bytes, "poll", "(Ljava/lang/Object;)V");
                default -> null;
            };
        }

        private static byte[] hook(byte[] bytes, String method, String descriptor) {
            ClassReader reader = new ClassReader(bytes);
            ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
            reader.accept(
                    new ClassVisitor(Opcodes.ASM9, writer) {
                        @Override
                        public MethodVisitor visitMethod(
                                int access, String name, String type, String signature, String[] exceptions) {
                            MethodVisitor body = super.visitMethod(access, name, type, signature, exceptions);
                            return name.equals(method) ? new Call(body, method, descriptor) : body;
                        }
                    },
                    0);
            return writer.toByteArray();
        }
    }

    private static final class Call extends MethodVisitor {
        private final String method;
        private final String descriptor;

        Call(MethodVisitor body, String method, String descriptor) {
            super(Opcodes.ASM9, body);
            this.method = method;
            this.descriptor = descriptor;
        }

        @Override
        public void visitCode() {
            super.visitCode();
            visitVarInsn(Opcodes.ALOAD, 0);
            if (descriptor.contains("J")) {
                visitVarInsn(Opcodes.LLOAD, 1);
            }
            visitMethodInsn(Opcodes.INVOKESTATIC, SELF, method, descriptor, false);
        }
    }
}
