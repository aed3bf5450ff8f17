package dev.kindling.run;

import java.io.File;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Directories as users name them. */
public final class RunPath {
    private RunPath() {}

    /** The qualified path: without a scheme and on a local default file system, relative to the working directory. */
    public static Path absolute(String location, Configuration hadoop) throws IOException {
        Path path = new Path(location);
        boolean local = path.toUri().getScheme() == null
                && "file".equals(path.getFileSystem(hadoop).getScheme());
        Path anchored = local ? new Path(new File(location).getAbsoluteFile().toURI()) : path;
        return anchored.getFileSystem(hadoop).makeQualified(anchored);
    }
}
