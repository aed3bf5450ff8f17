package dev.kindling.input;

import java.io.Serializable;
import java.net.URI;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.RandomAccess;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.apache.hadoop.fs.Path;

/**
 * The files that the user named, in the order of their names. There may be millions, so that of each little more than its
 * name and its length is held, and the rest made as it is asked for.
 */
public final class FileList extends AbstractList<InputFile> implements RandomAccess, Serializable {
    private static final long serialVersionUID = 1L;

    private final Named named;
    private final Format format; // of all; null for each by its name
    private final String root;
    private final boolean single;
    private final String[] names;
    private final long[] bytes;

    private FileList(FileList of, Format format, String[] names, long[] bytes) {
        this(of.named, format, of.root, of.single, names, bytes);
    }

    private FileList(Named named, Format format, String root, boolean single, String[] names, long[] bytes) {
        this.named = named;
        this.format = format;
        this.root = root;
        this.single = single;
        this.names = names;
        this.bytes = bytes;
    }

    /** A file that the user named. */
    static FileList single(Named named, Path file, long bytes) {
        return new FileList(named, null, file.toString(), true, new String[] {file.getName()}, new long[] {bytes});
    }

    /** One file. */
    public static FileList of(InputFile file) {
        return new FileList(
                file.named(), file.format(), file.uri(), true, new String[] {file.name()}, new long[] {file.bytes()});
    }

    /**
     * Files below a folder that the user named.
     *
     * @param names relative to it
     * @param bytes of each file
     */
    static FileList below(Named named, Path folder, String[] names, long[] bytes) {
        return new FileList(named, null, folder.toString(), false, names, bytes);
    }

    @Override
    public int size() {
        return names.length;
    }

    String name(int index) {
        return names[index];
    }

    long bytes(int index) {
        return bytes[index];
    }

    @Override
    public InputFile get(int index) {
        Format own = format == null ? Format.of(names[index]) : format;
        return new InputFile(named, own, names[index], uri(names[index]), bytes[index]);
    }

    private String uri(String name) {
        if (single) {
            return root;
        }
        // A name may hold what a path's parser takes for a scheme.
        URI folder = new Path(root).toUri();
        return new Path(folder.getScheme(), folder.getAuthority(), folder.getPath() + "/" + name).toString();
    }

    /** All as files of one format, whatever their names say. */
    FileList as(Format all) {
        return new FileList(this, all, names, bytes);
    }

    /** Those whose names fit. */
    FileList filter(Predicate<String> fits) {
        int[] chosen = IntStream.range(0, names.length)
                .filter(index -> fits.test(names[index]))
                .toArray();
        return new FileList(
                this,
                format,
                Arrays.stream(chosen).mapToObj(index -> names[index]).toArray(String[]::new),
                Arrays.stream(chosen).mapToLong(index -> bytes[index]).toArray());
    }

    /** A copy, which does not hold the others. */
    @Override
    public FileList subList(int from, int to) {
        return new FileList(this, format, Arrays.copyOfRange(names, from, to), Arrays.copyOfRange(bytes, from, to));
    }
}
