package dev.kindling.input;

import com.github.luben.zstd.ZstdInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.compress.BZip2Codec;
import org.apache.hadoop.io.compress.GzipCodec;

/** How a file is compressed, by the ending of its name. One that is can be read from its beginning only. */
public enum Compression {
    NONE(""),
    GZIP(".gz"),
    BZIP2(".bz2"),
    ZSTD(".zst");

    private static final Set<String> UNREADABLE =
            Set.of("xz", "lz4", "lzo", "lzma", "snappy", "br", "zip", "7z", "rar", "tar", "tgz", "tbz", "tbz2", "txz");

    private final String ending;

    Compression(String ending) {
        this.ending = ending;
    }

    static Compression of(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        for (Compression compression : values()) {
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

    /** What {@code in} holds; takes it over. */
    InputStream open(InputStream in, Configuration hadoop) throws IOException {
        try {
            return switch (this) {
                case NONE -> in;
                case GZIP -> {
                    GzipCodec codec = new GzipCodec();
                    codec.setConf(hadoop);
                    yield codec.createInputStream(in);
                }
                case BZIP2 -> {
                    BZip2Codec codec = new BZip2Codec();
                    codec.setConf(hadoop);
                    yield codec.createInputStream(in);
                }
                case ZSTD -> new ZstdInputStream(in); // Hadoop's codec needs a native library that few clusters have
            };
        } catch (IOException | RuntimeException e) {
            in.close();
            throw e;
        }
    }
}
