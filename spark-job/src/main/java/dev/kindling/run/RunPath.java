package dev.kindling.run;

import dev.kindling.storage.Storage;
import java.io.File;
import java.io.IOException;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Resolves the locations of directories as users write them. */
public final class RunPath {
    /** A scheme and a path. Names without a scheme may hold colons, too: run_12:30:05. */
    private static final Pattern URI = Pattern.compile("[a-zA-Z][a-zA-Z0-9+.-]*:/.*");

    private RunPath() {}

    /**
     * The qualified path. A path without a scheme, on a local default file system, is relative to the working
     * directory.
     */
    public static Path absolute(String location, Configuration hadoop) throws IOException {
        Path path = anchored(location, hadoop);
        return Storage.of(path, hadoop).files().makeQualified(path);
    }

    private static Path anchored(String location, Configuration hadoop) {
        if (URI.matcher(location).matches()) {
            return new Path(location);
        }
        return "file".equals(FileSystem.getDefaultUri(hadoop).getScheme())
                ? new Path("file", null, new File(location).getAbsolutePath())
                : new Path(null, null, location);
    }

    /** The entry called {@code name} in {@code directory}; the name may hold colons. */
    public static Path child(Path directory, String name) {
        return new Path(directory, new Path(null, null, name));
    }
}
