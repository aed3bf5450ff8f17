package dev.kindling.data.shard;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** The bytes of a file in order, from a stream or mapped into memory. */
interface ShardSource {
    /** The next {@code bytes} bytes, or fewer at the end of the file. */
    ByteBuffer next(int bytes) throws IOException;

    /** The rest of a stream goes to the heap. */
    static ShardSource of(InputStream in) {
        return bytes -> ByteBuffer.wrap(in.readNBytes(bytes));
    }

    /** Mapped buffers outlive the channel and cost no heap. */
    static ShardSource of(FileChannel channel) {
        return bytes -> {
            long position = channel.position();
            long size = Math.min(bytes, channel.size() - position);
            ByteBuffer mapped = channel.map(FileChannel.MapMode.READ_ONLY, position, size);
            channel.position(position + size);
            return mapped;
        };
    }
}
