package dev.kindling.report;

import java.io.Console;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * A run's progress on the console. On a terminal, a bar with loss, tokens per second and the time left; elsewhere a
 * line every few seconds, at every evaluation and at the end. Not thread-safe.
 */
public final class TrainProgress implements AutoCloseable {
    private static final int UPDATE_MILLIS = 200;

    private final long startStep;
    private final long maxSteps;
    private final PrintStream out;
    private final long lineNanos;
    private final ProgressBar bar; // null without a terminal
    private final long startNanos = System.nanoTime();
    private long printedNanos = startNanos;
    private String validation = "";

    /**
     * Begins at a step.
     *
     * @param startStep steps already done by the checkpoint that the run goes on from
     * @param terminal whether {@code out} can redraw a line
     * @param linePeriod the shortest time between two lines if it cannot
     */
    public TrainProgress(long startStep, long maxSteps, boolean terminal, PrintStream out, Duration linePeriod) {
        this.startStep = startStep;
        this.maxSteps = maxSteps;
        this.out = out;
        this.lineNanos = linePeriod.toNanos();
        this.bar = terminal
                ? new ProgressBarBuilder()
                        .setTaskName("train")
                        .setInitialMax(maxSteps)
                        .startsFrom(startStep, Duration.ZERO)
                        .setUpdateIntervalMillis(UPDATE_MILLIS)
                        .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                        .setConsumer(new ConsoleProgressBarConsumer(out))
                        .build()
                : null;
    }

    /** Whether standard output and input are a terminal that can redraw a line. */
    public static boolean onTerminal() {
        String type = System.getenv("TERM");
        return type != null && !type.equals("dumb") && isTerminal(System.console());
    }

    /**
     * Whether a console is a terminal. From JDK 22 on there is a console without a terminal, too, which can be asked;
     * before, a console is one.
     */
    private static boolean isTerminal(Console console) {
        if (console == null) {
            return false;
        }
        try {
            return (boolean) Console.class.getMethod("isTerminal").invoke(console);
        } catch (NoSuchMethodException e) {
            return true;
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("Console.isTerminal failed", e);
        }
    }

    public void update(StepMetrics metrics) {
        if (metrics.valLoss().isPresent()) {
            validation =
                    String.format(Locale.ROOT, "  val %.4f", metrics.valLoss().getAsDouble());
        }
        String numbers = String.format(
                Locale.ROOT, "loss %.4f%s  %,.0f tokens/s", metrics.loss(), validation, metrics.tokensPerSecond());
        if (bar != null) {
            bar.stepTo(metrics.step());
            bar.setExtraMessage(numbers);
            return;
        }
        long now = System.nanoTime();
        if (now - printedNanos >= lineNanos || metrics.valLoss().isPresent() || metrics.step() == maxSteps) {
            printedNanos = now;
            out.printf(Locale.ROOT, "step %d/%d  %s  ETA %s%n", metrics.step(), maxSteps, numbers, eta(metrics, now));
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }

    private String eta(StepMetrics metrics, long nowNanos) {
        long done = Math.max(1, metrics.step() - startStep);
        double nanosLeft = (double) (nowNanos - startNanos) / done * (maxSteps - metrics.step());
        long seconds = TimeUnit.NANOSECONDS.toSeconds((long) nanosLeft);
        return String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
}
