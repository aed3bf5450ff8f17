package dev.kindling.job.command;

import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.interop.ModelFileException;
import dev.kindling.storage.FileFault;
import dev.kindling.storage.NoSpaceException;
import dev.kindling.storage.PathException;
import dev.kindling.tensor.DeviceMemoryException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Optional;
import org.apache.commons.lang3.exception.ExceptionUtils;
import org.apache.hadoop.util.ShutdownHookManager;

/** What a failed command prints, and its exit code. */
public final class FailureReport {
    private FailureReport() {}

    /**
     * Prints one line, or with {@code verbose} the stack trace, and returns the exit code. Spark wraps what a task
     * throws: if one of the causes is an error that Kindling has worded for the user, the line is that error's. While a signal
     * ends the process, whatever fails does so for that.
     */
    public static int print(Throwable failure, boolean verbose, PrintWriter err) {
        if (ShutdownHookManager.get().isShutdownInProgress() && !verbose) {
            err.println("kindling: ended by a signal, before it was done");
            err.flush();
            return ExitCode.FAILURE;
        }
        Throwable told = worded(failure)
                .or(() -> Optional.ofNullable(ExceptionUtils.throwableOfType(failure, StoreException.class)))
                .map(Throwable.class::cast)
                .orElse(failure);
        boolean bug = told instanceof RuntimeException
                && told.getClass().getPackageName().startsWith("java.");
        String own = told instanceof IOException fault ? FileFault.message(fault) : told.getMessage();
        String message = own == null ? "" : own;
        String line = message.lines()
                .map(String::strip)
                .filter(text -> !text.isEmpty())
                .findFirst()
                .orElse("");
        if (told instanceof OutOfMemoryError) { // an executor's is worded
            line = String.format(
                    Locale.ROOT, "the driver ran out of memory (%s); give it more with --driver-memory", line);
        }
        boolean unnamed = line.isEmpty() || bug || (told instanceof Error && !(told instanceof OutOfMemoryError));
        err.println("kindling: " + (unnamed ? told.getClass().getSimpleName() + (line.isEmpty() ? "" : ": ") : "")
                + line + (unnamed && !verbose ? " (-v shows where)" : ""));
        if (verbose) {
            failure.printStackTrace(err);
        }
        err.flush();
        return told instanceof ConfigException || told instanceof PathException ? ExitCode.USAGE : ExitCode.FAILURE;
    }

    /** The first of the causes that Kindling has worded for the user; another attempt would meet it again. */
    public static Optional<Exception> worded(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof ConfigException
                    || cause instanceof PathException
                    || cause instanceof DataException
                    || cause instanceof CheckpointException
                    || cause instanceof NoSpaceException
                    || cause instanceof DeviceMemoryException
                    || cause instanceof ModelFileException
                    || cause instanceof FatalJobException) {
                return Optional.of((Exception) cause);
            }
        }
        return Optional.empty();
    }
}
