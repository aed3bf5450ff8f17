package dev.kindling.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Losses of the same training in several precisions as a table in Markdown, printed, and as a chart. Arguments: the SVG file to
 * write, then files of {@link PrecisionLosses}, of which each has a row of the chart: to the left the losses, to the right how
 * far they are from those of bf16, both means over {@value #WINDOW} steps and all seeds.
 */
public final class LossChart {
    private static final int LAST = 50;
    private static final int WINDOW = 20;
    private static final int WIDTH = 400;
    private static final int HEIGHT = 190;
    private static final int LEFT = 46;
    private static final int TOP = 44;
    private static final int ACROSS = WIDTH + LEFT + 14;
    private static final int DOWN = HEIGHT + TOP + 30;
    /** The largest difference, in percent, that is drawn; a difference of {@link #BOUND} is marked. */
    private static final double MOST = 2;

    private static final double BOUND = 0.5;

    private static final Map<String, String> COLORS = new TreeMap<>(
            Map.of("bf16", "#222222", "bf16+efficient", "#999999", "fp8", "#0072b2", "fp8+head", "#d55e00"));

    private LossChart() {}

    /** A line of {@link PrecisionLosses}. */
    private record Run(
            String model, String seed, String precision, double training, double validation, double[] losses) {
        static Run of(String line) {
            String[] fields = line.split(",");
            double[] numbers = Arrays.stream(fields)
                    .skip(4)
                    .mapToDouble(Double::parseDouble)
                    .toArray();
            return new Run(
                    fields[0] + ", batch " + fields[1],
                    fields[2],
                    fields[3],
                    numbers[0],
                    numbers[1],
                    Arrays.copyOfRange(numbers, 2, numbers.length));
        }

        double last() {
            return mean(losses.length - LAST, losses.length);
        }

        double mean(int from, int to) {
            return Arrays.stream(losses, from, to).average().orElseThrow();
        }
    }

    public static void main(String[] args) throws IOException {
        StringBuilder svg = new StringBuilder(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%1$d\" height=\"%2$d\" font-family=\"sans-serif\" font-size=\"11\">%n<rect width=\"%1$d\" height=\"%2$d\" fill=\"#ffffff\"/>%n",
                2 * ACROSS,
                DOWN * (args.length - 1)));
        System.out.println("| model | seed | precision | last " + LAST
                + " steps | beside bf16 | afterwards | beside bf16 | validation | beside bf16 |");
        System.out.println("|---|---|---|---|---|---|---|---|---|");
        for (int i = 1; i < args.length; i++) {
            List<Run> runs =
                    Files.readAllLines(Path.of(args[i])).stream().map(Run::of).toList();
            printTable(runs);
            drawRow(svg, (i - 1) * DOWN + TOP, runs);
        }
        Files.writeString(Path.of(args[0]), svg.append("</svg>\n"));
    }

    private static Run bf16(List<Run> runs, String seed) {
        return runs.stream()
                .filter(run -> run.seed.equals(seed) && run.precision.equals("bf16"))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no line of bf16 with seed " + seed));
    }

    private static void printTable(List<Run> runs) {
        for (Run run : runs) {
            Run base = bf16(runs, run.seed);
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %s | %s | %.4f | %s | %.4f | %s | %.4f | %s |%n",
                    run.model,
                    run.seed,
                    run.precision,
                    run.last(),
                    beside(run, base, run.last(), base.last()),
                    run.training,
                    beside(run, base, run.training, base.training),
                    run.validation,
                    beside(run, base, run.validation, base.validation));
        }
    }

    private static String beside(Run run, Run base, double loss, double of) {
        return run.precision.equals(base.precision) ? "" : String.format(Locale.ROOT, "%+.2f %%", percent(loss, of));
    }

    private static double percent(double loss, double of) {
        return 100 * (loss / of - 1);
    }

    private static void drawRow(StringBuilder svg, int top, List<Run> runs) {
        int steps = runs.get(0).losses.length;
        Map<String, List<Run>> byPrecision =
                runs.stream().collect(Collectors.groupingBy(Run::precision, TreeMap::new, Collectors.toList()));
        Map<String, double[]> losses = new TreeMap<>();
        Map<String, double[]> differences = new TreeMap<>();
        byPrecision.forEach((precision, all) -> {
            losses.put(precision, windows(steps, (from, to) -> average(all, run -> run.mean(from, to))));
            if (!precision.equals("bf16")) {
                differences.put(
                        precision,
                        windows(
                                steps,
                                (from, to) -> average(
                                        all,
                                        run -> percent(
                                                run.mean(from, to),
                                                bf16(runs, run.seed).mean(from, to)))));
            }
        });
        double most =
                losses.values().stream().flatMapToDouble(Arrays::stream).max().orElseThrow();
        String model = runs.get(0).model;
        Panel left = new Panel(svg, LEFT, top, steps, 0, Math.ceil(most));
        left.frame(model + ": training loss", List.of(Math.ceil(most) / 2));
        losses.forEach(left::curve);
        Panel right = new Panel(svg, ACROSS + LEFT, top, steps, -MOST, MOST);
        right.frame(model + ": difference from bf16, %", List.of(-BOUND, 0.0, BOUND));
        differences.forEach(right::curve);
        left.legend(new ArrayList<>(losses.keySet()));
    }

    private interface Window {
        double value(int from, int to);
    }

    private interface Value {
        double of(Run run);
    }

    private static double average(List<Run> runs, Value value) {
        return runs.stream().mapToDouble(value::of).average().orElseThrow();
    }

    private static double[] windows(int steps, Window window) {
        return IntStream.range(0, steps / WINDOW)
                .mapToDouble(i -> window.value(i * WINDOW, (i + 1) * WINDOW))
                .toArray();
    }

    /** A diagram of steps and values from {@code least} to {@code most}. */
    private record Panel(StringBuilder svg, int x, int y, int steps, double least, double most) {
        private double down(double value) {
            return y + HEIGHT * (most - Math.min(most, Math.max(least, value))) / (most - least);
        }

        void frame(String title, List<Double> lines) {
            add(
                    "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#888888\"/>%n",
                    x, y, WIDTH, HEIGHT);
            add("<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>%n", x, y - 26, title);
            add("<text x=\"%d\" y=\"%d\">0</text>%n", x, y + HEIGHT + 14);
            add("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d steps</text>%n", x + WIDTH, y + HEIGHT + 14, steps);
            List<Double> labels = new ArrayList<>(lines);
            labels.addAll(List.of(least, most));
            for (double value : labels) {
                add("<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%.1f</text>%n", x - 4, down(value) + 4, value);
            }
            for (double value : lines) {
                add("<path d=\"M%d %.1fh%d\" stroke=\"#cccccc\" stroke-dasharray=\"4 3\"/>%n", x, down(value), WIDTH);
            }
        }

        void curve(String precision, double[] values) {
            String points = IntStream.range(0, values.length)
                    .mapToObj(i -> String.format(
                            Locale.ROOT, "%.0f,%.1f", x + WIDTH * (i + 0.5) / values.length, down(values[i])))
                    .collect(Collectors.joining(" "));
            add(
                    "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>%n",
                    points, COLORS.getOrDefault(precision, "#009e73"));
        }

        void legend(List<String> precisions) {
            for (int i = 0; i < precisions.size(); i++) {
                add(
                        "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>%n",
                        x + i * 90, y - 8, COLORS.getOrDefault(precisions.get(i), "#009e73"), precisions.get(i));
            }
        }

        private void add(String format, Object... arguments) {
            svg.append(String.format(Locale.ROOT, format, arguments));
        }
    }
}
