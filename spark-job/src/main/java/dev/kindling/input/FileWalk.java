package dev.kindling.input;

import dev.kindling.data.DataException;
import dev.kindling.storage.Storage;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * The files that the user named: one, or all below a folder but for those, and the folders, whose names begin with {@code .}
 * or {@code _}, which is where tools keep their markers. None is left out without a word, read twice or waited for.
 */
final class FileWalk {
    /**
     * A file.
     *
     * @param name its path relative to the folder that was named, or its own name
     * @param path qualified
     */
    record Found(String name, Path path, long bytes) {}

    private final Named named;
    private final java.nio.file.Path root;
    private final List<Found> found = new ArrayList<>();
    /** Real paths, each with the name under which it was found. */
    private final Map<java.nio.file.Path, String> seen = new HashMap<>();

    private FileWalk(Named named, java.nio.file.Path root) {
        this.named = named;
        this.root = root;
    }

    /**
     * Lists them in the order of their names.
     *
     * @throws java.io.FileNotFoundException if there is nothing of that name
     * @throws DataException if something below it cannot be read as a file, or is a run of Kindling's
     */
    static List<Found> of(Named named, Path root, Configuration hadoop) throws IOException {
        FileSystem files = Storage.of(root, hadoop).files();
        List<Found> found;
        if ("file".equals(root.toUri().getScheme())) {
            FileWalk walk =
                    new FileWalk(named, java.nio.file.Path.of(root.toUri().getPath()));
            walk.local();
            found = walk.found;
        } else {
            found = remote(root, files);
        }
        List<Found> sorted =
                found.stream().sorted(Comparator.comparing(Found::name)).toList();
        refuseRuns(named, sorted);
        return sorted;
    }

    /** Object stores list without folders, and have neither links nor pipes. */
    private static List<Found> remote(Path root, FileSystem files) throws IOException {
        FileStatus status = files.getFileStatus(root);
        if (status.isFile()) {
            return List.of(new Found(root.getName(), root, status.getLen()));
        }
        List<Found> found = new ArrayList<>();
        RemoteIterator<LocatedFileStatus> walk = files.listFiles(root, true);
        while (walk.hasNext()) {
            FileStatus file = walk.next();
            String name = root.toUri().relativize(file.getPath().toUri()).getPath();
            if (Stream.of(name.split("/")).noneMatch(FileWalk::isMarker)) {
                found.add(new Found(name, file.getPath(), file.getLen()));
            }
        }
        return found;
    }

    private static boolean isMarker(String name) {
        return name.startsWith(".") || name.startsWith("_");
    }

    private void local() throws IOException {
        if (!Files.exists(root)) {
            throw new java.io.FileNotFoundException(root.toString());
        }
        java.nio.file.Path real = root.toRealPath();
        if (!Files.isDirectory(root)) {
            add(root, real, root.getFileName().toString());
            return;
        }
        Deque<java.nio.file.Path> folders = new ArrayDeque<>(List.of(root));
        seen.put(real, "the folder itself");
        while (!folders.isEmpty()) {
            java.nio.file.Path folder = folders.pop();
            try (Stream<java.nio.file.Path> entries = Files.list(folder)) {
                for (java.nio.file.Path entry : entries.sorted().toList()) {
                    if (!isMarker(entry.getFileName().toString())) {
                        visit(entry, folders);
                    }
                }
            }
        }
    }

    private void visit(java.nio.file.Path entry, Deque<java.nio.file.Path> folders) throws IOException {
        String name = root.relativize(entry).toString();
        if (!Files.exists(entry)) {
            throw new DataException(
                    String.format(Locale.ROOT, "%s of %s is a link to nothing; mend it, or remove it", name, named));
        }
        java.nio.file.Path real = entry.toRealPath();
        String before = seen.putIfAbsent(real, name);
        if (before != null) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s and %s of %s are one, by a link, and would be read twice; remove the link",
                    before,
                    name,
                    named));
        }
        if (Files.isDirectory(entry)) {
            folders.push(entry);
        } else {
            add(entry, real, name);
        }
    }

    private void add(java.nio.file.Path entry, java.nio.file.Path real, String name) throws IOException {
        if (!Files.isRegularFile(real)) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s of %s is a pipe or a device, which only one process could read, and only once; write it to a file",
                    name,
                    named));
        }
        Path path = new Path("file", null, entry.toAbsolutePath().toString());
        if (!name.chars().allMatch(c -> c < 0x80) && !new File(path.toUri().getPath()).exists()) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s of %s has a name that this process cannot express in %s; set LC_ALL=C.UTF-8, or rename the file",
                    name,
                    named,
                    System.getProperty("sun.jnu.encoding")));
        }
        found.add(new Found(name, path, Files.size(entry)));
    }

    /** A run's log is no text, and grows while it is read. */
    private static void refuseRuns(Named named, List<Found> found) {
        Set<String> names = found.stream().map(Found::name).collect(Collectors.toSet());
        for (String name : names) {
            String folder = name.substring(0, name.lastIndexOf('/') + 1);
            boolean run = name.equals(folder + "config.yaml") && names.contains(folder + "metrics.jsonl");
            boolean shards = name.equals(folder + "manifest.json")
                    && names.stream().anyMatch(other -> other.matches("\\Q" + folder + "\\E[^/]*\\.bin"));
            if (run || shards) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s of %s is a %s of Kindling's, which is no text; move it, or name the text alone",
                        folder.isEmpty() ? "the folder" : folder,
                        named,
                        run ? "run" : "set of prepared shards"));
            }
        }
    }
}
