package dev.kindling.run;

import dev.kindling.storage.NoSpaceException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.ErrorHandler;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.FileAppender;
import org.apache.logging.log4j.core.config.LoggerConfig;
import org.apache.logging.log4j.core.filter.AbstractFilter;
import org.apache.logging.log4j.core.layout.PatternLayout;

/**
 * While open, the driver's log at INFO and above also goes to {@code kindling.log} in a local run directory. What the
 * console shows stays as Spark's log4j2 configuration has it.
 */
public final class RunLog implements AutoCloseable {
    private static final String NAME = "kindling-run-log";

    private final LoggerContext context;
    private final FileAppender appender;

    private RunLog(LoggerContext context, FileAppender appender) {
        this.context = context;
        this.appender = appender;
    }

    /** Appends to {@code runDirectory/kindling.log}. */
    public static RunLog open(Path runDirectory) throws IOException {
        LoggerContext context = (LoggerContext) LogManager.getContext(false);
        FileAppender appender = FileAppender.newBuilder()
                .withFileName(runDirectory.resolve("kindling.log").toString())
                .withAppend(true)
                .setName(NAME)
                .setConfiguration(context.getConfiguration())
                .setFilter(new WithoutRounds())
                .setLayout(PatternLayout.newBuilder()
                        .withConfiguration(context.getConfiguration())
                        .withPattern("%d{yyyy-MM-dd HH:mm:ss.SSS} %p %t %c: %m%n%ex")
                        .build())
                .build();
        if (appender == null) {
            throw new IOException(
                    String.format(Locale.ROOT, "cannot write %s/kindling.log; check its permissions", runDirectory));
        }
        appender.setHandler(new ErrorsInOneLine());
        appender.start();
        LoggerConfig root = context.getConfiguration().getRootLogger();
        root.addAppender(appender, Level.INFO, null);
        context.updateLoggers();
        return new RunLog(context, appender);
    }

    /** Leaves out what Spark says several times a second for as long as a barrier stage runs. */
    private static final class WithoutRounds extends AbstractFilter {
        @Override
        public Result filter(LogEvent event) {
            boolean round = event.getLoggerName().endsWith("TaskSchedulerImpl")
                    && event.getMessage().getFormattedMessage().startsWith("Skip current round of resource offers");
            return round ? Result.DENY : Result.NEUTRAL;
        }
    }

    /** A log that cannot be written, as on a full disk, is reported once, not with a trace for each event. */
    private static final class ErrorsInOneLine implements ErrorHandler {
        private final AtomicBoolean told = new AtomicBoolean();

        @Override
        public void error(String message) {
            if (told.compareAndSet(false, true)) {
                System.err.println("kindling: kindling.log is not complete: " + message);
            }
        }

        @Override
        public void error(String message, Throwable cause) {
            error(NoSpaceException.reason(cause).orElse(message));
        }

        @Override
        public void error(String message, LogEvent event, Throwable cause) {
            error(message, cause);
        }
    }

    @Override
    public void close() {
        context.getConfiguration().getRootLogger().removeAppender(NAME);
        context.updateLoggers();
        appender.stop();
    }
}
