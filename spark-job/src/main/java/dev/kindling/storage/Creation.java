package dev.kindling.storage;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;

/** What {@link Storage} creates where nothing may be yet. */
final class Creation {
    private static final String CONDITIONAL = Options.CreateFileOptionKeys.FS_OPTION_CREATE_CONDITIONAL_OVERWRITE;
    /** What S3A throws where S3 has found an object already; its class is not on every class path. */
    private static final String REFUSED = "RemoteFileChangedException";

    private final Storage storage;
    private final FileSystem store;

    Creation(Storage storage, FileSystem store) {
        this.storage = storage;
        this.store = store;
    }

    /** See {@link Storage#writeNew}. */
    boolean writeNew(Path path, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try {
            if (storage.isLocal()) { // Hadoop looks first and creates then, with time between
                Files.write(Storage.local(path), bytes, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                return true;
            }
            storage.patiently("write", path, () -> {
                createNew(path, bytes);
                return null;
            });
            return storage.read(path).equals(text); // whoever wrote it, and also where the store's answer was lost
        } catch (FileAlreadyExistsException | org.apache.hadoop.fs.FileAlreadyExistsException e) {
            return !storage.isLocal() && storage.read(path).equals(text);
        } catch (IOException e) {
            throw NoSpaceException.of(e, path.toString());
        }
    }

    private void createNew(Path path, byte[] bytes) throws IOException {
        if (store.exists(path)) {
            return;
        }
        var builder = store.createFile(path).overwrite(false).recursive();
        if (store.hasPathCapability(path, CONDITIONAL)) { // S3, which looks again when the file is closed
            builder.must(CONDITIONAL, true);
        }
        FSDataOutputStream out = builder.build();
        try {
            out.write(bytes);
        } catch (IOException | RuntimeException | Error e) {
            Storage.abandon(out, e);
            throw e;
        }
        try {
            out.close();
        } catch (IOException e) {
            if (!e.getClass().getSimpleName().equals(REFUSED)) {
                throw e;
            }
        }
    }

    /** See {@link Storage#makeNew}. */
    boolean makeNew(Path directory) throws IOException {
        if (!storage.isLocal()) {
            return !storage.files().exists(directory) && storage.files().mkdirs(directory);
        }
        try {
            Files.createDirectories(Storage.local(directory).getParent());
            Files.createDirectory(Storage.local(directory));
            return true;
        } catch (FileAlreadyExistsException e) {
            if (Files.isDirectory(Storage.local(directory))) {
                return false;
            }
            throw e;
        } catch (IOException e) {
            throw NoSpaceException.of(e, directory.toString());
        }
    }
}
