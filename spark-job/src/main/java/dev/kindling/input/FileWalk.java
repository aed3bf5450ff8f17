package dev.kindling.input;

import dev.kindling.data.DataException;
import dev.kindling.storage.FileListing;
import dev.kindling.storage.Storage;
import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * The files that the user named: one, or all below a folder but for those, and the folders, whose names begin with {@code .}
 * or {@code _}, which is where tools keep their markers. None is left out without a word, read twice or waited for.
 */
final class FileWalk {
    private final Named named;
    private final java.nio.file.Path root;
    private final List<Found> found = new ArrayList<>();
    /** Folders by their real paths, each with the name under which it was found. */
    private final Map<java.nio.file.Path, String> folders = new HashMap<>();
    /** Files that are links, by what they link to. */
    private final Map<java.nio.file.Path, String> links = new HashMap<>();

    private FileWalk(Named named, java.nio.file.Path root) {
        this.named = named;
        this.root = root;
    }

    /** A file: its name relative to the folder that was named, and its length. */
    private record Found(String name, long bytes) {}

    /**
     * Lists them in the order of their names.
     *
     * @throws java.io.FileNotFoundException if there is nothing of that name
     * @throws DataException if something below it cannot be read as a file, or is a run of Kindling's
     */
    static FileList of(Named named, Path root, Configuration hadoop) throws IOException {
        if ("file".equals(root.toUri().getScheme())) {
            return new FileWalk(named, java.nio.file.Path.of(root.toUri().getPath())).local(root);
        }
        Storage storage = Storage.of(root, hadoop);
        FileStatus status = storage.files().getFileStatus(root);
        return status.isFile()
                ? FileList.single(named, root, status.getLen())
                : FileListing.of(root, storage, files -> below(named, root, remote(root, files)));
    }

    private static FileList below(Named named, Path folder, List<Found> files) {
        files.sort(Comparator.comparing(Found::name));
        String[] names = files.stream().map(Found::name).toArray(String[]::new);
        refuseRuns(named, names);
        return FileList.below(
                named, folder, names, files.stream().mapToLong(Found::bytes).toArray());
    }

    /** Object stores list without folders, and have neither links nor pipes. */
    private static List<Found> remote(Path root, RemoteIterator<LocatedFileStatus> files) throws IOException {
        List<Found> found = new ArrayList<>();
        while (files.hasNext()) {
            FileStatus file = files.next();
            String name = root.toUri().relativize(file.getPath().toUri()).getPath();
            if (Stream.of(name.split("/")).noneMatch(FileWalk::isMarker)) {
                found.add(new Found(name, file.getLen()));
            }
        }
        return found;
    }

    private static boolean isMarker(String name) {
        return name.startsWith(".") || name.startsWith("_");
    }

    private FileList local(Path named) throws IOException {
        if (!Files.exists(root)) {
            throw new java.io.FileNotFoundException(root.toString());
        }
        if (!Files.isDirectory(root)) {
            String name = root.getFileName().toString();
            add(root, name, Files.readAttributes(root, BasicFileAttributes.class));
            return FileList.single(
                    this.named, new Path("file", null, root.toAbsolutePath().toString()), Files.size(root));
        }
        Deque<java.nio.file.Path> left = new ArrayDeque<>(List.of(root));
        folders.put(root.toRealPath(), "the folder itself");
        while (!left.isEmpty()) {
            java.nio.file.Path folder = left.pop();
            java.nio.file.Path real = folder.toRealPath();
            try (DirectoryStream<java.nio.file.Path> entries = Files.newDirectoryStream(folder)) {
                for (java.nio.file.Path entry : entries) {
                    if (!isMarker(entry.getFileName().toString())) {
                        visit(entry, real, left);
                    }
                }
            } catch (DirectoryIteratorException e) {
                throw e.getCause();
            }
        }
        links.forEach(this::requireOnce);
        return below(this.named, named, found);
    }

    private void visit(java.nio.file.Path entry, java.nio.file.Path folder, Deque<java.nio.file.Path> left)
            throws IOException {
        String name = root.relativize(entry).toString();
        BasicFileAttributes attributes =
                Files.readAttributes(entry, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        java.nio.file.Path real = folder.resolve(entry.getFileName());
        boolean link = attributes.isSymbolicLink();
        if (link) {
            if (!Files.exists(entry)) {
                throw new DataException("%s of %s is a link to nothing; mend it, or remove it", name, named);
            }
            real = entry.toRealPath();
            attributes = Files.readAttributes(entry, BasicFileAttributes.class);
        }
        if (attributes.isDirectory()) {
            refuseTwice(folders.putIfAbsent(real, name), name);
            left.push(entry);
        } else {
            if (link) {
                refuseTwice(links.putIfAbsent(real, name), name);
            }
            add(entry, name, attributes);
        }
    }

    /** A link may be to a file that is found in its own folder, too. */
    private void requireOnce(java.nio.file.Path file, String link) {
        String folder = folders.get(file.getParent());
        if (folder != null && !isMarker(file.getFileName().toString())) {
            refuseTwice(folder + "/" + file.getFileName(), link);
        }
    }

    private void refuseTwice(String before, String name) {
        if (before != null) {
            throw new DataException(
                    "%s and %s of %s are one, by a link, and would be read twice; remove the link",
                    before, name, named);
        }
    }

    private void add(java.nio.file.Path entry, String name, BasicFileAttributes attributes) {
        if (!attributes.isRegularFile()) {
            throw new DataException(
                    "%s of %s is a pipe or a device, which only one process could read, and only once; write it to a file",
                    name, named);
        }
        Path path = new Path("file", null, entry.toAbsolutePath().toString());
        if (!name.chars().allMatch(c -> c < 0x80) && !new File(path.toUri().getPath()).exists()) {
            throw new DataException(
                    "%s of %s has a name that this process cannot express in %s; set LC_ALL=C.UTF-8, or rename the file",
                    name, named, System.getProperty("sun.jnu.encoding"));
        }
        found.add(new Found(name, attributes.size()));
    }

    /** A run's log is no text, and grows while it is read. */
    private static void refuseRuns(Named named, String[] names) {
        Set<String> runs = foldersOf("config.yaml", names);
        runs.retainAll(foldersOf("metrics.jsonl", names));
        runs.forEach(folder -> refuse(named, folder, "run"));
        Set<String> manifests = foldersOf("manifest.json", names);
        if (!manifests.isEmpty()) {
            Arrays.stream(names)
                    .filter(name -> name.endsWith(".bin"))
                    .map(FileWalk::folder)
                    .filter(manifests::contains)
                    .forEach(folder -> refuse(named, folder, "set of prepared shards"));
        }
    }

    private static String folder(String name) {
        return name.substring(0, name.lastIndexOf('/') + 1);
    }

    private static Set<String> foldersOf(String file, String[] names) {
        return Arrays.stream(names)
                .filter(name -> name.endsWith(file) && name.equals(folder(name) + file))
                .map(FileWalk::folder)
                .collect(Collectors.toCollection(HashSet::new));
    }

    private static void refuse(Named named, String folder, String what) {
        throw new DataException(
                "%s of %s is a %s of Kindling's, which is no text; move it, or name the text alone",
                folder.isEmpty() ? "the folder" : folder, named, what);
    }
}
