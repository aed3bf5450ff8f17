package dev.kindling.data.shard;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** A folder on a local disk; its shards are mapped, not read to the heap. */
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

    @Override
    public Shard shard(String file) {
        return Shard.open(folder.resolve(file));
    }
}
