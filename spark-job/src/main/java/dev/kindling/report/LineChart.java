package dev.kindling.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Lines over one axis, as an SVG element that needs neither script nor style sheet. Text and grid take the colour of the
 * page's text, so that it is readable on light and on dark pages. Immutable.
 *
 * @param marks places on the x axis with a dashed line each
 */
public record LineChart(String title, Axes axes, List<Series> series, List<Double> marks) {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 300;
    private static final int LEFT = 68;
    private static final int RIGHT = WIDTH - 14;
    private static final int TOP = 54;
    private static final int BOTTOM = HEIGHT - 42;
    private static final int COLUMNS = 400;
    /**
     * What the axes say.
     *
     * @param x what, and its unit
     * @param y what, and its unit
     * @param fromZero whether the y axis begins at 0 and cuts rare peaks, such as a first step's time; else it fits the
     *     values
     */
    public record Axes(String x, String y, boolean fromZero) {}

    /** How a series is drawn. */
    public enum Look {
        LINE,
        /** A line with a dot at each point. */
        DOTS,
        /** Filled down to the axis; put the highest first. */
        AREA
    }

    /** Points in ascending order of x; those that are not finite are left out. */
    public record Series(String name, Look look, List<Point> points) {
        public Series {
            points = points.stream()
                    .filter(point -> Double.isFinite(point.x()) && Double.isFinite(point.y()))
                    .toList();
        }
    }

    public record Point(double x, double y) {}

    /** The SVG element. */
    public String toSvg() {
        Scale x = Scale.of(values(true), false, LEFT, RIGHT);
        Scale y = Scale.of(values(false), axes.fromZero(), BOTTOM, TOP);
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\" xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\" width=\"100%%\">",
                WIDTH,
                HEIGHT,
                escape(title)));
        svg.append(Svg.text(LEFT, 20, "start", title).replace("<text", "<text font-size=\"15\" font-weight=\"bold\""));
        legend(svg);
        grid(svg, x, y);
        marks.stream()
                .map(mark -> Math.round(x.at(mark)))
                .distinct() // no more than can be seen
                .forEach(at ->
                        svg.append(Svg.line(at, TOP, at, BOTTOM, "stroke-dasharray=\"4 3\" stroke-opacity=\"0.6\"")));
        for (int i = 0; i < series.size(); i++) {
            draw(svg, series.get(i), Svg.colour(i), x, y);
        }
        return svg.append("</svg>").toString();
    }

    private double[] values(boolean ofX) {
        return series.stream()
                .flatMap(one -> one.points().stream())
                .mapToDouble(point -> ofX ? point.x() : point.y())
                .toArray();
    }

    private void legend(StringBuilder svg) {
        double at = LEFT;
        for (int i = 0; i < series.size(); i++) {
            String name = series.get(i).name();
            svg.append(String.format(
                    Locale.ROOT,
                    "<rect x=\"%.0f\" y=\"32\" width=\"14\" height=\"4\" fill=\"%s\"/>",
                    at,
                    Svg.colour(i)));
            svg.append(Svg.text(at + 19, 38, "start", name));
            at += 34 + 6.6 * name.length();
        }
    }

    private void grid(StringBuilder svg, Scale x, Scale y) {
        for (double tick : y.ticks()) {
            svg.append(Svg.line(LEFT, y.at(tick), RIGHT, y.at(tick), "stroke-opacity=\"0.15\""));
            svg.append(Svg.text(LEFT - 6, y.at(tick) + 4, "end", y.label(tick)));
        }
        for (double tick : x.ticks()) {
            svg.append(Svg.line(x.at(tick), BOTTOM, x.at(tick), BOTTOM + 4, "stroke-opacity=\"0.5\""));
            svg.append(Svg.text(x.at(tick), BOTTOM + 17, "middle", x.label(tick)));
        }
        svg.append(Svg.line(LEFT, BOTTOM, RIGHT, BOTTOM, "stroke-opacity=\"0.5\""));
        svg.append(Svg.text((LEFT + RIGHT) / 2.0, HEIGHT - 8, "middle", axes.x()));
        svg.append(String.format(
                Locale.ROOT,
                "<text transform=\"translate(13 %d) rotate(-90)\" text-anchor=\"middle\" fill=\"currentColor\">%s</text>",
                (TOP + BOTTOM) / 2,
                escape(axes.y())));
    }

    private static void draw(StringBuilder svg, Series series, String colour, Scale x, Scale y) {
        List<Point> points = thinned(series.points(), x);
        if (points.isEmpty()) {
            return;
        }
        StringBuilder path = new StringBuilder();
        for (Point point : points) {
            path.append(path.isEmpty() ? "M" : "L")
                    .append(Svg.number(x.at(point.x())))
                    .append(' ')
                    .append(Svg.number(y.at(Math.min(point.y(), y.high()))));
        }
        if (series.look() == Look.AREA) {
            path.append(String.format(
                    Locale.ROOT,
                    "L%s %dL%s %dZ",
                    Svg.number(x.at(points.get(points.size() - 1).x())),
                    BOTTOM,
                    Svg.number(x.at(points.get(0).x())),
                    BOTTOM));
            svg.append(String.format(Locale.ROOT, "<path d=\"%s\" fill=\"%s\"/>", path, colour));
            return;
        }
        svg.append(String.format(
                Locale.ROOT,
                "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>",
                path,
                colour));
        if (series.look() == Look.DOTS || points.size() == 1) {
            for (Point point : points) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<circle cx=\"%s\" cy=\"%s\" r=\"3\" fill=\"%s\"><title>%s at %s: %s</title></circle>",
                        Svg.number(x.at(point.x())),
                        Svg.number(y.at(Math.min(point.y(), y.high()))),
                        colour,
                        escape(series.name()),
                        Svg.number(point.x()),
                        String.format(Locale.ROOT, "%.5g", point.y())));
            }
        }
    }

    /** The points averaged per pixel column, so that no more are drawn than can be seen. */
    private static List<Point> thinned(List<Point> points, Scale x) {
        if (points.size() <= COLUMNS) {
            return points;
        }
        List<Point> means = new ArrayList<>();
        List<Point> column = new ArrayList<>();
        for (Point point : points) {
            if (!column.isEmpty() && column(point, x) != column(column.get(0), x)) {
                means.add(mean(column));
                column.clear();
            }
            column.add(point);
        }
        means.add(mean(column));
        return means;
    }

    private static long column(Point point, Scale x) {
        return (long) ((x.at(point.x()) - LEFT) / (RIGHT - LEFT) * COLUMNS);
    }

    private static Point mean(List<Point> points) {
        return new Point(
                points.get(points.size() - 1).x(),
                points.stream().mapToDouble(Point::y).average().getAsDouble());
    }

    /** For text and attributes of XML. */
    public static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
