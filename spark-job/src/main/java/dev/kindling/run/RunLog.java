package dev.kindling.run;

import java.nio.file.Path;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.FileAppender;
import org.apache.logging.log4j.core.config.LoggerConfig;
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
    public static RunLog open(Path runDirectory) {
        LoggerContext context = (LoggerContext) LogManager.getContext(false);
        FileAppender appender = FileAppender.newBuilder()
                .withFileName(runDirectory.resolve("kindling.log").toString())
                .withAppend(true)
                .setName(NAME)
                .setConfiguration(context.getConfiguration())
                .setLayout(PatternLayout.newBuilder()
                        .withConfiguration(context.getConfiguration())
                        .withPattern("%d{yyyy-MM-dd HH:mm:ss.SSS} %p %t %c: %m%n%ex")
                        .build())
                .build();
        appender.start();
        LoggerConfig root = context.getConfiguration().getRootLogger();
        root.addAppender(appender, Level.INFO, null);
        context.updateLoggers();
        return new RunLog(context, appender);
    }

    @Override
    public void close() {
        context.getConfiguration().getRootLogger().removeAppender(NAME);
        context.updateLoggers();
        appender.stop();
    }
}
