package dev.kindling.prepare;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.Document;
import dev.kindling.data.corpus.ShakespeareCorpus;
import dev.kindling.data.corpus.TextCorpus;
import dev.kindling.data.corpus.TextSource;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/** Lists the documents of a corpus on the driver: {@code shakespeare}, or text on any Hadoop FileSystem. */
public final class CorpusListing {
    static final String SHAKESPEARE = "shakespeare";

    private CorpusListing() {}

    /** @throws PathException if there is no such corpus; DataException if it has no text files */
    static List<SourceDocument> of(String corpus, Configuration hadoop) {
        if (corpus.equals(SHAKESPEARE)) {
            ShakespeareCorpus plays = new ShakespeareCorpus();
            try (Stream<Document> scenes = plays.documents()) {
                return scenes.map(scene -> SourceDocument.inline(plays.id(), scene))
                        .toList();
            }
        }
        try {
            return files(corpus, resolve(corpus, hadoop), hadoop);
        } catch (FileNotFoundException e) {
            throw new PathException(
                    "corpus %s does not exist; set data.corpus to shakespeare, a text file, or a folder of text or shards"
                            .formatted(corpus),
                    e);
        } catch (IOException e) {
            throw new DataException(
                    "cannot list corpus %s (%s); check the path and its permissions"
                            .formatted(corpus, DataException.reason(e)),
                    e);
        }
    }

    /** A path as the user wrote it: local if that exists, else on Hadoop's default file system. */
    public static Path resolve(String location, Configuration hadoop) throws IOException {
        java.io.File local = new java.io.File(location);
        Path path = local.exists() ? new Path(local.getAbsoluteFile().toURI()) : new Path(location);
        return Storage.of(path, hadoop).files().makeQualified(path);
    }

    private static List<SourceDocument> files(String corpus, Path root, Configuration hadoop) throws IOException {
        FileSystem files = Storage.of(root, hadoop).files();
        Map<String, FileStatus> found = new HashMap<>();
        walk(root, hadoop).forEach(file -> found.put(file.name(), file.status()));
        List<TextSource> sources = new ArrayList<>();
        found.forEach((name, status) -> sources.add(new TextSource(name, () -> files.open(status.getPath()))));
        return new TextCorpus(corpus, sources)
                .sources().stream()
                        .map(source -> SourceDocument.file(corpus, source.name(), found.get(source.name())))
                        .toList();
    }

    /** A file, and its path relative to the root that was searched. */
    public record Found(String name, FileStatus status) {}

    /** A file, or all files below a folder except tools' markers, whose names begin with {@code .} or {@code _}. */
    public static List<Found> walk(Path root, Configuration hadoop) throws IOException {
        FileSystem files = Storage.of(root, hadoop).files();
        FileStatus status = files.getFileStatus(root);
        if (status.isFile()) {
            return List.of(new Found(root.getName(), status));
        }
        List<Found> found = new ArrayList<>();
        for (FileStatus file : below(root, files)) {
            String name = root.toUri().relativize(file.getPath().toUri()).getPath();
            if (Stream.of(name.split("/")).noneMatch(part -> part.startsWith(".") || part.startsWith("_"))) {
                found.add(new Found(name, file));
            }
        }
        return found;
    }

    private static List<FileStatus> below(Path root, FileSystem files) throws IOException {
        List<FileStatus> found = new ArrayList<>();
        if (!"file".equals(files.getUri().getScheme())) {
            RemoteIterator<LocatedFileStatus> walk = files.listFiles(root, true); // object stores list without folders
            while (walk.hasNext()) {
                found.add(walk.next());
            }
            return found;
        }
        // For a LocatedFileStatus Hadoop starts a process a file, to ask for its permissions: 3 ms each.
        Deque<Path> folders = new ArrayDeque<>(List.of(root));
        while (!folders.isEmpty()) {
            for (FileStatus entry : files.listStatus(folders.pop())) {
                if (entry.isDirectory()) {
                    folders.push(entry.getPath());
                } else {
                    found.add(entry);
                }
            }
        }
        return found;
    }
}
