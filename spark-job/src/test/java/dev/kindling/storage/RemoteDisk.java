package dev.kindling.storage;

import java.net.URI;
import java.util.Map;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** The local disk under the scheme of a store that Kindling has to reach through Hadoop. */
public final class RemoteDisk extends RawLocalFileSystem {
    /** What an application must set to reach it. */
    public static final Map<String, String> SETTINGS =
            Map.of("spark.hadoop.fs.remote.impl", RemoteDisk.class.getName());

    @Override
    public URI getUri() {
        return URI.create("remote:///");
    }
}
