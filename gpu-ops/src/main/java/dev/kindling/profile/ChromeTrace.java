package dev.kindling.profile;

import java.io.IOException;
import java.util.List;
import java.util.Locale;

/** Spans in the Trace Event Format, which chrome://tracing and Perfetto open; times in microseconds. */
public final class ChromeTrace {
    private final String device;
    private final List<Span> spans;

    /**
     * A trace of one device.
     *
     * @param device the name of the trace's only row
     */
    public ChromeTrace(String device, List<Span> spans) {
        this.device = device;
        this.spans = List.copyOf(spans);
    }

    /** Writes the JSON text. */
    public void writeTo(Appendable out) throws IOException {
        out.append("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
        out.append("{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"tid\":0,\"args\":{\"name\":");
        quote(device, out);
        out.append("}}");
        for (Span span : spans) {
            out.append(",\n{\"name\":");
            quote(span.operator(), out);
            out.append(String.format(
                    Locale.ROOT,
                    ",\"cat\":\"operator\",\"ph\":\"X\",\"pid\":0,\"tid\":0,\"ts\":%.3f,\"dur\":%.3f}",
                    span.startMicros(),
                    span.micros()));
        }
        out.append("\n]}\n");
    }

    private static void quote(String text, Appendable out) throws IOException {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
