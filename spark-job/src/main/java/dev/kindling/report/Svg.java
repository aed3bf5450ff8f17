package dev.kindling.report;

import java.util.Locale;

/** Pieces of SVG that charts are made of. Text and lines take the colour of the page's text. */
final class Svg {
    /** Okabe and Ito's, which the colour-blind can tell apart. */
    private static final String[] COLOURS = {
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#f0e442"
    };

    private Svg() {}

    static String colour(int series) {
        return COLOURS[series % COLOURS.length];
    }

    static String line(double x1, double y1, double x2, double y2, String attributes) {
        return String.format(
                Locale.ROOT,
                "<line x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\" stroke=\"currentColor\" %s/>",
                number(x1),
                number(y1),
                number(x2),
                number(y2),
                attributes);
    }

    static String text(double x, double y, String anchor, String content) {
        return String.format(
                Locale.ROOT,
                "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\" fill=\"currentColor\">%s</text>",
                number(x),
                number(y),
                anchor,
                LineChart.escape(content));
    }

    static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value).replaceFirst("\\.0$", "");
    }
}
