package dev.kindling.input;

import dev.kindling.storage.Storage;
import io.airlift.compress.zstd.ZstdHadoopStreams;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorInputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.compress.GzipCodec;

/** How a file is compressed, by the ending of its name. One that is can be read from its beginning only. */
public enum FileCompression {
    NONE(""),
    GZIP(".gz"),
    BZIP2(".bz2"),
    ZSTD(".zst");

    private static final Set<String> UNREADABLE =
            Set.of("xz", "lz4", "lzo", "lzma", "snappy", "br", "zip", "7z", "rar", "tar", "tgz", "tbz", "tbz2", "txz");

    private final String ending;

    FileCompression(String ending) {
        this.ending = ending;
    }

    static FileCompression of(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        for (FileCompression compression : values()) {
            if (compression != NONE && lower.endsWith(compression.ending)) {
                return compression;
            }
        }
        return NONE;
    }

    /** The name of the file that was compressed, in lower case. */
    String inner(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        return lower.substring(0, lower.length() - ending.length());
    }

    /** The ending of an archive, or of a compression that is not read. */
    Optional<String> unreadable(String name) {
        String inner = inner(name);
        String last = inner.substring(inner.lastIndexOf('.') + 1);
        return UNREADABLE.contains(last) && inner.contains(".") ? Optional.of("." + last) : Optional.empty();
    }

    /**
     * What {@code in} holds; takes it over. These are the readers, of those that Spark brings along, that refuse a file
     * which has been cut short: Hadoop's of bzip2 and zstd-jni's take some for whole.
     */
    InputStream open(InputStream in, Configuration hadoop) throws IOException {
        try {
            return switch (this) {
                case NONE -> in;
                case GZIP -> {
                    GzipCodec codec = new GzipCodec();
                    codec.setConf(hadoop);
                    yield codec.createInputStream(in);
                }
                case BZIP2 -> new BZip2CompressorInputStream(in, true);
                case ZSTD -> new ZstdHadoopStreams().createInputStream(in);
            };
        } catch (IOException | RuntimeException e) {
            Storage.closeAfter(in, e);
            throw e;
        }
    }
}
