package dev.kindling.storage;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.Shard;
import dev.kindling.data.shard.ShardFolder;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkEnv;

/**
 * A shard folder on any Hadoop FileSystem except the local one. A shard is copied into one of Spark's local folders
 * (spark.local.dir) and mapped, so that a corpus takes disk, not heap. The copy is unlinked at once: it disappears with
 * the process, or when the shard is no longer used.
 */
public final class HadoopShardFolder implements ShardFolder {
    private final Storage storage;
    private final Path folder;

    private HadoopShardFolder(Storage storage, Path folder) {
        this.storage = storage;
        this.folder = folder;
    }

    /** The folder at {@code path}. */
    public static ShardFolder at(Path path, Configuration hadoop) throws IOException {
        Storage storage = Storage.of(path, hadoop);
        Path qualified = storage.files().makeQualified(path);
        if (isLocal(qualified)) {
            return new LocalShardFolder(java.nio.file.Path.of(qualified.toUri().getPath()));
        }
        return new HadoopShardFolder(storage, qualified);
    }

    /** Whether a qualified path is on a disk (or mount) of this host. */
    public static boolean isLocal(Path qualified) {
        return "file".equals(qualified.toUri().getScheme());
    }

    @Override
    public String name() {
        return folder.toString();
    }

    @Override
    public boolean exists(String file) throws IOException {
        return storage.files().exists(new Path(folder, file));
    }

    @Override
    public InputStream open(String file) throws IOException {
        return storage.files().open(new Path(folder, file));
    }

    @Override
    public void write(String file, Content content) throws IOException {
        storage.files().mkdirs(folder);
        storage.write(new Path(folder, file), content::writeTo);
    }

    @Override
    public void delete(String file) throws IOException {
        storage.files().delete(new Path(folder, file), false);
    }

    @Override
    public Shard shard(String file) throws IOException {
        String name = name() + "/" + file;
        File local = scratch(file);
        long bytes = storage.files().getFileStatus(new Path(folder, file)).getLen();
        if (local.getUsableSpace() < bytes) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "shard %s has %,d bytes, and %s, which is to hold a copy, %,d free; free space there, or set spark.local.dir to a larger disk",
                    name,
                    bytes,
                    local,
                    local.getUsableSpace()));
        }
        java.nio.file.Path copy = Files.createTempFile(local.toPath(), "shard-", ".bin");
        try {
            try (InputStream in = open(file)) {
                fill(copy, in);
            }
            return Shard.open(copy, name);
        } finally {
            Files.deleteIfExists(copy); // What is mapped stays.
        }
    }

    /** Writes into a file that was made for this user alone; Files.copy would replace it by one that others may read. */
    static void fill(java.nio.file.Path copy, InputStream in) throws IOException {
        try (OutputStream out = Files.newOutputStream(copy)) {
            in.transferTo(out);
        }
    }

    /** One of this process's local folders of Spark; the shards of a set use them in turn. */
    private static File scratch(String file) {
        File[] folders = SparkEnv.get().blockManager().diskBlockManager().localDirs();
        return folders[Math.floorMod(file.hashCode(), folders.length)];
    }
}
