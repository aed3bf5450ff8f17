package dev.kindling.device.cuda.library;

import dev.kindling.device.unpack.PrivateFolder;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import jcuda.JCudaVersion;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.nvrtc.JNvrtc;

/**
 * Loads JCuda's native libraries; on CUDA 13 as copies that ask for CUDA 13's libraries ({@link NativeRebinder}).
 *
 * <p>JCuda looks for a native library in {@code java.library.path}, then for a file of a fixed name in {@code
 * java.io.tmpdir}, which it writes if it is missing but never checks. So this class writes the files into a folder whose name
 * is a checksum of them, and lets {@code java.io.tmpdir} name that folder while JCuda's classes initialize. Copies for
 * another CUDA, left in the real temp folder by somebody else, are not picked up.
 */
final class JCudaNatives {
    private static final String TEMP = "java.io.tmpdir";

    /** Native -> the library of CUDA 12 that it needs, without the version; "" for the driver's. */
    private static final Map<String, String> NATIVES =
            Map.of("JCudaDriver", "", "JNvrtc", "libnvrtc.so.", "JCublas2", "libcublas.so.");

    private JCudaNatives() {}

    static synchronized void load(int major) {
        String shared = System.getProperty(TEMP);
        try {
            Path folder = prepare(Path.of(shared), major);
            System.setProperty(TEMP, folder.toString());
            JCudaDriver.setExceptionsEnabled(false);
            JNvrtc.setExceptionsEnabled(false);
            JCublas2.setExceptionsEnabled(false);
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException(
                    String.format(Locale.ROOT, "JCuda's natives do not load on CUDA %d: %s", major, e.getMessage()), e);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    String.format(
                            Locale.ROOT,
                            "cannot unpack JCuda's natives below %s; set -Djava.io.tmpdir to a writable folder",
                            shared),
                    e);
        } finally {
            System.setProperty(TEMP, shared);
        }
    }

    /** Writes the natives for a CUDA; safe under several processes. Returns their folder. */
    static Path prepare(Path parent, int major) throws IOException {
        MessageDigest digest = sha256();
        digest.update((byte) major);
        for (String name : NATIVES.keySet().stream().sorted().toList()) {
            digest.update(image(name, major));
        }
        String key = HexFormat.of().formatHex(digest.digest(), 0, 8);
        Path folder = PrivateFolder.in(
                parent, String.format(Locale.ROOT, "kindling-%s-jcuda-%s", System.getProperty("user.name"), key));
        for (String name : NATIVES.keySet()) {
            write(folder.resolve(fileName(name)), image(name, major));
        }
        return folder;
    }

    private static void write(Path file, byte[] image) throws IOException {
        if (Files.exists(file) && Arrays.equals(Files.readAllBytes(file), image)) {
            return;
        }
        Path temporary = Files.createTempFile(file.getParent(), "native", ".tmp");
        try {
            Files.write(temporary, image);
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** The bytes of a native, rebound to a CUDA. */
    static byte[] image(String name, int major) throws IOException {
        String resource = "/lib/" + fileName(name);
        try (InputStream in = JCudaDriver.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new CudaException(String.format(
                        Locale.ROOT,
                        "%s is not on the classpath; add JCuda %s's natives for this platform",
                        resource,
                        JCudaVersion.get()));
            }
            byte[] image = in.readAllBytes();
            String library = NATIVES.get(name);
            return major == 12 || library.isEmpty()
                    ? image
                    : NativeRebinder.rebind(image, library + "12", library + major);
        }
    }

    private static String fileName(String name) {
        return String.format(Locale.ROOT, "lib%s-%s-linux-x86_64.so", name, JCudaVersion.get());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
