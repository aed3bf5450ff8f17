package dev.kindling.storage;

import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardFolder;
import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A shard folder on any Hadoop FileSystem except the local one, of whose files ranges are read. */
public final class HadoopShardFolder implements ShardFolder {
    /** Far below what stores and their clients allow; with 20 ms a read, 1,600 a second. */
    private static final int PARALLEL_READS = 32;

    private final Storage storage;
    private final Path folder;
    private final RangeReads ranges;

    HadoopShardFolder(Storage storage, Path folder) {
        this.storage = storage;
        this.folder = folder;
        ranges = new RangeReads(storage.store());
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
    public void read(String file, long fileBytes, long position, byte[] dst) throws IOException {
        Path path = new Path(folder, file);
        storage.patiently("read", path, () -> {
            ranges.read(path, fileBytes, position, dst);
            return null;
        });
    }

    @Override
    public int parallelReads() {
        return PARALLEL_READS;
    }
}
