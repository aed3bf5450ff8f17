package dev.kindling.data.shard;

import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** A folder on a local disk. */
public final class LocalShardFolder implements ShardFolder {
    private final Path folder;

    public LocalShardFolder(Path folder) {
        this.folder = folder;
    }

    @Override
    public String name() {
        return folder.toString();
    }

    @Override
    public boolean exists(String file) {
        return Files.exists(folder.resolve(file));
    }

    @Override
    public InputStream open(String file) throws IOException {
        return Files.newInputStream(folder.resolve(file));
    }

    @Override
    public void write(String file, Content content) throws IOException {
        Files.createDirectories(folder);
        Path temporary = folder.resolve("." + file + "." + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                            FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                    OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16)) {
                content.writeTo(out);
                out.flush();
                // Before the rename, or a crash could leave the final name with no data behind it.
                channel.force(true);
            }
            Files.move(
                    temporary,
                    folder.resolve(file),
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    @Override
    public void delete(String file) throws IOException {
        Files.deleteIfExists(folder.resolve(file));
    }

    /** The system holds what is read often in memory, so that a file is opened for each read. */
    @Override
    public void read(String file, long fileBytes, long position, byte[] dst) throws IOException {
        ByteBuffer left = ByteBuffer.wrap(dst);
        try (FileChannel channel = FileChannel.open(folder.resolve(file), StandardOpenOption.READ)) {
            while (left.hasRemaining()) {
                if (channel.read(left, position + left.position()) < 0) {
                    throw new EOFException(file + " ends before byte " + (position + dst.length));
                }
            }
        }
    }

    @Override
    public int parallelReads() {
        return 1;
    }
}
