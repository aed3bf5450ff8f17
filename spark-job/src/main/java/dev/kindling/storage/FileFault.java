package dev.kindling.storage;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Objects;

/** What went wrong with a file, for people. Java's own errors of files often say its path and nothing more. */
public final class FileFault {
    private FileFault() {}

    /** The reason, without the path where Java tells them apart. */
    public static String reason(IOException e) {
        if (!(e instanceof FileSystemException fault)) {
            return e.getMessage();
        } else if (e instanceof AccessDeniedException) {
            return "permission denied";
        } else if (e instanceof NoSuchFileException) {
            return "does not exist";
        }
        return Objects.requireNonNullElse(fault.getReason(), e.getClass().getSimpleName());
    }

    /** Path and reason. */
    public static String message(IOException e) {
        return e instanceof FileSystemException fault ? fault.getFile() + ": " + reason(e) : e.getMessage();
    }
}
