package dev.kindling.device.cuda.library;

import dev.kindling.device.unpack.PrivateFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiled kernels on disk, one file a cubin, named by everything that it depends on. A file starts with the SHA-256 of
 * the rest: a damaged one is compiled anew. Files appear by rename, so processes may share the folder; a folder that
 * cannot be written costs time, not the run.
 */
public final class KernelCache {
    private static final Logger LOG = LoggerFactory.getLogger(KernelCache.class);
    private static final int CHECKSUM_BYTES = 32;

    private final Path folder;

    public KernelCache(Path folder) {
        this.folder = folder;
    }

    /**
     * KINDLING_KERNEL_CACHE, else kindling/kernels below XDG_CACHE_HOME or ~/.cache, else below a folder of the temp folder
     * that is this user's alone.
     */
    public static KernelCache standard(Map<String, String> environment) {
        return standard(environment, Path.of(System.getProperty("java.io.tmpdir")));
    }

    static KernelCache standard(Map<String, String> environment, Path temporary) {
        String chosen = environment.getOrDefault("KINDLING_KERNEL_CACHE", "");
        if (!chosen.isBlank()) {
            return new KernelCache(Path.of(chosen));
        }
        String cache = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path home = Path.of(System.getProperty("user.home", ""));
        Path base = cache.isBlank() ? home.resolve(".cache") : Path.of(cache);
        Path existing = base;
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        if (existing == null || !Files.isWritable(existing)) {
            base = ownFolder(temporary);
        }
        return new KernelCache(base.resolve("kindling").resolve("kernels"));
    }

    private static Path ownFolder(Path temporary) {
        try {
            return PrivateFolder.in(temporary, "kindling-" + System.getProperty("user.name"));
        } catch (IOException e) {
            throw new UncheckedIOException(
                    String.format(
                            Locale.ROOT,
                            "cannot make a folder for compiled kernels in %s; set KINDLING_KERNEL_CACHE to one that can be written",
                            temporary),
                    e);
        }
    }

    public Path folder() {
        return folder;
    }

    /** sha256 over the parts, each with its length, so that no two lists of parts run together. */
    public static String key(Iterable<String> parts) {
        MessageDigest digest = sha256();
        for (String part : parts) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            digest.update(ByteBuffer.allocate(4).putInt(0, bytes.length));
            digest.update(bytes);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The cubin under {@code key}, compiled and kept if it is not there. */
    public byte[] get(String key, Supplier<byte[]> compile) {
        Path file = folder.resolve(key + ".cubin");
        byte[] kept = read(file);
        if (kept != null) {
            return kept;
        }
        byte[] cubin = compile.get();
        write(file, cubin);
        return cubin;
    }

    private static byte[] read(Path file) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            if (bytes.length > CHECKSUM_BYTES) {
                byte[] content = Arrays.copyOfRange(bytes, CHECKSUM_BYTES, bytes.length);
                byte[] sum = sha256().digest(content);
                if (Arrays.equals(sum, 0, CHECKSUM_BYTES, bytes, 0, CHECKSUM_BYTES)) {
                    return content;
                }
            }
            LOG.warn("{} is damaged; compiling the kernel anew", file);
        } catch (NoSuchFileException e) {
            LOG.debug("no {} yet", file);
        } catch (IOException e) {
            LOG.warn("cannot read {}: {}; compiling the kernel anew", file, e.toString());
        }
        return null;
    }

    private void write(Path file, byte[] cubin) {
        try {
            Files.createDirectories(folder);
            Path temporary = Files.createTempFile(folder, "kernel", ".tmp");
            try {
                byte[] sum = sha256().digest(cubin);
                Files.write(
                        temporary,
                        ByteBuffer.allocate(sum.length + cubin.length)
                                .put(sum)
                                .put(cubin)
                                .array());
                Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            LOG.warn("cannot keep compiled kernels in {}: {}; set KINDLING_KERNEL_CACHE", folder, e.toString());
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
