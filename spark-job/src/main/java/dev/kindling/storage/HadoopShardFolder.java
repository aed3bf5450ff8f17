package dev.kindling.storage;

import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardFolder;
import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A shard folder on any Hadoop FileSystem. */
public final class HadoopShardFolder implements ShardFolder {
    private final Storage storage;
    private final Path folder;

    private HadoopShardFolder(Storage storage, Path folder) {
        this.storage = storage;
        this.folder = folder;
    }

    /** The folder at {@code path}: on a local disk shards are mapped, elsewhere they are read to the heap. */
    public static ShardFolder at(Path path, Configuration hadoop) throws IOException {
        Storage storage = Storage.of(path, hadoop);
        Path qualified = storage.files().makeQualified(path);
        if ("file".equals(qualified.toUri().getScheme())) {
            return new LocalShardFolder(java.nio.file.Path.of(qualified.toUri().getPath()));
        }
        return new HadoopShardFolder(storage, qualified);
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
}
