package dev.kindling.bench;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.apache.xbean.asm9.ClassReader;
import org.apache.xbean.asm9.ClassVisitor;
import org.apache.xbean.asm9.ClassWriter;
import org.apache.xbean.asm9.MethodVisitor;
import org.apache.xbean.asm9.Opcodes;

/**
 * The application jar with calls to {@link ChaosHooks} in two of its classes. Not by an agent, beside which a JVM shares no
 * archive of classes: executors start here as they do for users.
 */
final class ChaosJar {
    private static final String HOOKS = "dev/kindling/bench/ChaosHooks";

    private ChaosJar() {}

    /** Writes it to {@code to}, of the jar {@code from}. */
    static void write(Path from, Path to) throws IOException {
        try (ZipInputStream entries = new ZipInputStream(Files.newInputStream(from));
                ZipOutputStream jar = new ZipOutputStream(new BufferedOutputStream(Files.newOutputStream(to)))) {
            jar.setLevel(Deflater.BEST_SPEED);
            for (ZipEntry entry = entries.getNextEntry(); entry != null; entry = entries.getNextEntry()) {
                if (!entry.getName().equals(HOOKS + ".class")) {
                    jar.putNextEntry(new ZipEntry(entry.getName()));
                    jar.write(hooked(entry.getName(), entries.readAllBytes()));
                }
            }
            jar.putNextEntry(new ZipEntry(HOOKS + ".class"));
            try (InputStream hooks = ChaosJar.class.getClassLoader().getResourceAsStream(HOOKS + ".class")) {
                hooks.transferTo(jar);
            }
        }
    }

    private static byte[] hooked(String entry, byte[] bytes) {
        return switch (entry) {
            case "dev/kindling/coordinate/RankSession.class" -> hook(bytes, "stepReached", "(Ljava/lang/Object;J)V");
            case "dev/kindling/allreduce/link/SocketLinks.class" -> hook(bytes, "poll", "(Ljava/lang/Object;)V");
            default -> bytes;
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

    /** Begins a method with a call of the hook of its name, which takes what it takes. */
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
            visitMethodInsn(Opcodes.INVOKESTATIC, HOOKS, method, descriptor, false);
        }
    }
}
