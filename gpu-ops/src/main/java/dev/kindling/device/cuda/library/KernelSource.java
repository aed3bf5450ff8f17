package dev.kindling.device.cuda.library;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A kernel file of resources/kernels and the headers that it includes, by name. */
public record KernelSource(String name, String text, Map<String, String> headers) {
    private static final Pattern INCLUDE = Pattern.compile("(?m)^\\s*#\\s*include\\s*\"([^\"]+)\"");

    /**
     * Reads a kernel file and all that it includes from the class path.
     *
     * @param stem e.g. "gelu" for kernels/gelu.cu
     */
    public static KernelSource of(String stem) {
        String name = stem + ".cu";
        String text = read(name);
        Map<String, String> headers = new TreeMap<>();
        collect(text, headers);
        return new KernelSource(name, text, headers);
    }

    private static void collect(String text, Map<String, String> headers) {
        Matcher includes = INCLUDE.matcher(text);
        while (includes.find()) {
            String name = includes.group(1);
            if (!headers.containsKey(name)) {
                String header = read(name);
                headers.put(name, header);
                collect(header, headers);
            }
        }
    }

    private static String read(String name) {
        try (InputStream in = KernelSource.class.getResourceAsStream("/kernels/" + name)) {
            if (in == null) {
                throw new CudaException(String.format(
                        Locale.ROOT, "kernels/%s is not on the classpath; the Kindling jar is incomplete", name));
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read kernels/" + name, e);
        }
    }
}
