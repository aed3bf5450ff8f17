package dev.kindling.storage;

import dev.kindling.interop.ModelFolder;
import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/** A model's folder on any Hadoop FileSystem. */
public final class HadoopModelFolder implements ModelFolder {
    private static final int BUFFER_BYTES = 1 << 16;

    private final Storage storage;
    private final Path folder;

    private HadoopModelFolder(Storage storage, Path folder) {
        this.storage = storage;
        this.folder = folder;
    }

    /** The folder at a qualified path. */
    public static HadoopModelFolder at(Path folder, Configuration hadoop) throws IOException {
        return new HadoopModelFolder(Storage.of(folder, hadoop), folder);
    }

    @Override
    public String path(String file) {
        return file.isEmpty() ? folder.toString() : new Path(folder, file).toString();
    }

    @Override
    public boolean has(String file) throws IOException {
        return storage.files().exists(new Path(folder, file));
    }

    @Override
    public long length(String file) throws IOException {
        return storage.files().getFileStatus(new Path(folder, file)).getLen();
    }

    @Override
    public InputStream open(String file, long from) throws IOException {
        FSDataInputStream in = storage.files().open(new Path(folder, file), BUFFER_BYTES);
        try {
            in.seek(from);
            return in;
        } catch (IOException | RuntimeException e) {
            Storage.closeAfter(in, e);
            throw e;
        }
    }
}
