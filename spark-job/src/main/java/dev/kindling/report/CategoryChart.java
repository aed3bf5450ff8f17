package dev.kindling.report;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.DoubleStream;

/**
 * Estimates over a few categories, as bars side by side or as lines, with whiskers for their 95 % intervals and a dot for
 * each sample of a bar; an SVG element that needs neither script nor style sheet, for light and for dark pages. Immutable.
 *
 * @param x what the categories are
 * @param y what is measured, and its unit; the axis begins at 0
 */
public record CategoryChart(String title, String x, String y, Look look, List<String> categories, List<Series> series) {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 320;
    private static final int LEFT = 68;
    private static final int RIGHT = WIDTH - 14;
    private static final int TOP = 62;
    private static final int BOTTOM = HEIGHT - 46;
    private static final double GROUP = 0.72;
    private static final double WIDEST_BAR = 90;
    private static final double WHISKER = 5;
    private static final double POINTS_APART = 14;

    /** How values are drawn. */
    public enum Look {
        BARS,
        LINES
    }

    /**
     * A line of the chart.
     *
     * @param values one a category, empty where there is none
     * @param guide whether it is drawn dashed and without dots, to compare with
     */
    public record Series(String name, List<Optional<Estimate>> values, boolean guide) {}

    /** The SVG element. */
    public String toSvg() {
        Scale scale = Scale.of(highs(), true, BOTTOM, TOP);
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\" xmlns=\"http://www.w3.org/2000/svg\" font-family=\"inherit\" font-size=\"12\" width=\"100%%\">",
                WIDTH,
                HEIGHT,
                LineChart.escape(title)));
        svg.append(Svg.text(LEFT, 20, "start", title).replace("<text", "<text font-size=\"15\" font-weight=\"600\""));
        legend(svg);
        grid(svg, scale);
        for (int i = 0; i < series.size(); i++) {
            if (look == Look.LINES) {
                path(svg, i, scale);
            }
            for (int c = 0; c < categories.size(); c++) {
                Optional<Estimate> value = series.get(i).values().get(c);
                if (value.isPresent() && !series.get(i).guide()) {
                    draw(svg, i, c, value.get(), scale);
                }
            }
        }
        return svg.append("</svg>").toString();
    }

    private double[] highs() {
        return series.stream()
                .flatMap(one -> one.values().stream().flatMap(Optional::stream))
                .flatMapToDouble(value -> DoubleStream.concat(
                        DoubleStream.of(value.mean(), Double.isNaN(value.halfWidth()) ? 0 : value.high()),
                        look == Look.BARS
                                ? value.samples().stream().mapToDouble(Double::doubleValue)
                                : DoubleStream.empty()))
                .toArray();
    }

    private void legend(StringBuilder svg) {
        double at = LEFT;
        for (int i = 0; i < series.size(); i++) {
            String name = series.get(i).name();
            svg.append(
                    series.get(i).guide()
                            ? Svg.line(at, 38, at + 14, 38, "stroke-dasharray=\"4 3\"")
                            : String.format(
                                    Locale.ROOT,
                                    "<rect x=\"%s\" y=\"32\" width=\"12\" height=\"12\" rx=\"2\" fill=\"%s\"/>",
                                    Svg.number(at),
                                    Svg.colour(i)));
            svg.append(Svg.text(at + 18, 42, "start", name));
            at += 36 + 6.6 * name.length();
        }
    }

    private void grid(StringBuilder svg, Scale scale) {
        for (double tick : scale.ticks()) {
            svg.append(Svg.line(LEFT, scale.at(tick), RIGHT, scale.at(tick), "stroke-opacity=\"0.15\""));
            svg.append(Svg.text(LEFT - 6, scale.at(tick) + 4, "end", scale.label(tick)));
        }
        for (int c = 0; c < categories.size(); c++) {
            svg.append(Svg.text(center(c), BOTTOM + 17, "middle", categories.get(c)));
        }
        svg.append(Svg.line(LEFT, BOTTOM, RIGHT, BOTTOM, "stroke-opacity=\"0.5\""));
        svg.append(Svg.text((LEFT + RIGHT) / 2.0, HEIGHT - 8, "middle", x));
        svg.append(String.format(
                Locale.ROOT,
                "<text transform=\"translate(13 %d) rotate(-90)\" text-anchor=\"middle\" fill=\"currentColor\">%s</text>",
                (TOP + BOTTOM) / 2,
                LineChart.escape(y)));
    }

    private double slot() {
        return (RIGHT - LEFT) / (double) categories.size();
    }

    private double center(int category) {
        return LEFT + slot() * (category + 0.5);
    }

    private double barWidth() {
        return Math.min(WIDEST_BAR, slot() * GROUP / series.size());
    }

    /** The x position of a value. Lines are shifted just enough that their whiskers can be told apart. */
    private double place(int index, int category) {
        double apart = look == Look.LINES ? series.get(index).guide() ? 0 : POINTS_APART : barWidth();
        return center(category) + apart * (index - (series.size() - 1) / 2.0);
    }

    private void path(StringBuilder svg, int index, Scale scale) {
        StringBuilder path = new StringBuilder();
        for (int c = 0; c < categories.size(); c++) {
            Optional<Estimate> value = series.get(index).values().get(c);
            if (value.isPresent()) {
                path.append(path.isEmpty() ? "M" : "L")
                        .append(Svg.number(place(index, c)))
                        .append(' ')
                        .append(Svg.number(scale.at(value.get().mean())));
            }
        }
        boolean guide = series.get(index).guide();
        svg.append(String.format(
                Locale.ROOT,
                "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\"%s/>",
                path,
                guide ? "currentColor" : Svg.colour(index),
                guide ? "1.2" : "2",
                guide ? " stroke-dasharray=\"4 3\" stroke-opacity=\"0.6\"" : ""));
    }

    private void draw(StringBuilder svg, int index, int category, Estimate value, Scale scale) {
        double at = place(index, category);
        double top = scale.at(value.mean());
        String label = String.format(
                Locale.ROOT,
                "<title>%s, %s: %s</title>",
                LineChart.escape(series.get(index).name()),
                LineChart.escape(categories.get(category)),
                BackendTable.interval(value, "%,.4g"));
        if (look == Look.LINES) {
            svg.append(String.format(
                    Locale.ROOT,
                    "<circle cx=\"%s\" cy=\"%s\" r=\"4\" fill=\"%s\">%s</circle>",
                    Svg.number(at),
                    Svg.number(top),
                    Svg.colour(index),
                    label));
        } else {
            double width = barWidth() - 4;
            svg.append(String.format(
                    Locale.ROOT,
                    "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" rx=\"2\" fill=\"%s\">%s</rect>",
                    Svg.number(at - width / 2),
                    Svg.number(top),
                    Svg.number(width),
                    Svg.number(BOTTOM - top),
                    Svg.colour(index),
                    label));
            samples(svg, at, width, value, scale);
            if (width >= 30) {
                double highest = Double.isNaN(value.halfWidth()) ? value.mean() : value.high();
                for (double sample : value.samples()) {
                    highest = Math.max(highest, sample);
                }
                svg.append(Svg.text(at, scale.at(highest) - 7, "middle", BackendTable.compact(value.mean())));
            }
        }
        whisker(svg, at, value, scale);
    }

    /** Draws the samples side by side in the order of the rounds, so that a drift shows. */
    private static void samples(StringBuilder svg, double at, double width, Estimate value, Scale scale) {
        int count = value.samples().size();
        for (int i = 0; count > 1 && i < count; i++) {
            svg.append(String.format(
                    Locale.ROOT,
                    "<circle cx=\"%s\" cy=\"%s\" r=\"2\" fill=\"currentColor\" fill-opacity=\"0.45\"/>",
                    Svg.number(at + width * 0.8 * (i / (count - 1.0) - 0.5)),
                    Svg.number(scale.at(value.samples().get(i)))));
        }
    }

    private static void whisker(StringBuilder svg, double at, Estimate value, Scale scale) {
        if (Double.isNaN(value.halfWidth())) {
            return;
        }
        double low = scale.at(Math.max(0, value.low()));
        double high = scale.at(value.high());
        svg.append(Svg.line(at, low, at, high, "stroke-width=\"1.5\""));
        svg.append(Svg.line(at - WHISKER, low, at + WHISKER, low, "stroke-width=\"1.5\""));
        svg.append(Svg.line(at - WHISKER, high, at + WHISKER, high, "stroke-width=\"1.5\""));
    }
}
