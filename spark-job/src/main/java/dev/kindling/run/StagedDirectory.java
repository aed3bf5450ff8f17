package dev.kindling.run;

import dev.kindling.config.ConfigException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.UUID;
import org.apache.hadoop.fs.Path;

/** A directory of results that appears whole or not at all: written beside its place, then renamed. */
public record StagedDirectory(Path out, Storage storage) {
    /** @throws ConfigException if {@code out} exists */
    public StagedDirectory {
        try {
            if (storage.files().exists(out)) {
                throw new ConfigException("%s exists already; choose another --out".formatted(out));
            }
        } catch (IOException e) {
            throw new ConfigException("cannot look at %s (%s); choose another --out".formatted(out, e.getMessage()), e);
        }
    }

    /** What fills a directory. */
    public interface Content {
        void writeTo(Path directory) throws IOException;
    }

    public void write(Content content) throws IOException {
        Path staged = new Path(out.getParent(), "." + out.getName() + "." + UUID.randomUUID());
        try {
            content.writeTo(staged);
            storage.rename(staged, out);
        } catch (Exception e) { // Spark throws checked ones undeclared
            storage.deleteQuietly(staged, e);
            throw e;
        }
    }
}
