package dev.kindling.data.shard;

import java.io.IOException;
import java.io.InputStream;

/** Another folder, for tests to change what it does. */
class ForwardingFolder implements ShardFolder {
    private final ShardFolder target;

    ForwardingFolder(ShardFolder target) {
        this.target = target;
    }

    @Override
    public String name() {
        return target.name();
    }

    @Override
    public boolean exists(String file) throws IOException {
        return target.exists(file);
    }

    @Override
    public InputStream open(String file) throws IOException {
        return target.open(file);
    }

    @Override
    public void write(String file, Content content) throws IOException {
        target.write(file, content);
    }

    @Override
    public void delete(String file) throws IOException {
        target.delete(file);
    }

    @Override
    public void read(String file, long fileBytes, long position, byte[] dst) throws IOException {
        target.read(file, fileBytes, position, dst);
    }

    @Override
    public int parallelReads() {
        return target.parallelReads();
    }
}
