package dev.kindling.local;

import dev.kindling.interop.CheckpointFormat;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.ModelFolder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A model's folder on this host. */
record LocalModelFolder(Path folder) implements ModelFolder {
    /**
     * The folder that {@code path} means: itself, or of a run the best committed checkpoint by its validation loss; the
     * newest where nothing says which one is the best.
     *
     * @throws ModelFileException if there is none
     */
    static LocalModelFolder named(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            throw new ModelFileException(path + " is no folder; give a run, a checkpoint or a Hugging Face folder");
        }
        Path checkpoints = path.resolve("checkpoints");
        if (!Files.isDirectory(checkpoints)) {
            return new LocalModelFolder(path);
        }
        List<Path> committed;
        try (Stream<Path> entries = Files.list(checkpoints)) {
            committed = entries.filter(entry -> step(entry) >= 0)
                    .sorted(Comparator.comparingLong(LocalModelFolder::step))
                    .toList();
        }
        if (committed.isEmpty()) {
            throw new ModelFileException(
                    path + " holds no committed checkpoint; let its training go on, or give another run");
        }
        LocalModelFolder newest = new LocalModelFolder(committed.get(committed.size() - 1));
        long bestStep = CheckpointFormat.read(
                        new String(newest.readAll(CheckpointFormat.STATE), StandardCharsets.UTF_8),
                        newest.path(CheckpointFormat.STATE))
                .path("best_step")
                .asLong(-1);
        Path best = checkpoints.resolve(CheckpointFormat.directory(bestStep));
        return Files.isDirectory(best) ? new LocalModelFolder(best) : newest;
    }

    private static long step(Path checkpoint) {
        return CheckpointFormat.step(checkpoint.getFileName().toString()).orElse(-1);
    }

    @Override
    public String path(String file) {
        return folder.resolve(file).toString();
    }

    @Override
    public boolean has(String file) {
        return Files.exists(folder.resolve(file));
    }

    @Override
    public long length(String file) throws IOException {
        return Files.size(folder.resolve(file));
    }

    @Override
    public InputStream open(String file, long from) throws IOException {
        FileChannel channel = FileChannel.open(folder.resolve(file), StandardOpenOption.READ);
        try {
            return Channels.newInputStream(channel.position(from));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }
}
