package dev.kindling.device.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The sources of the kernels, as the tests read them. */
final class KernelFiles {
    /** Maven runs the tests in the module; others may run them in a neighbour of it. */
    static final Path FOLDER = module().resolve("src/main/resources/kernels");

    private static final Pattern KERNEL =
            Pattern.compile("extern \"C\" __global__ void(?:\\s+__\\w+__\\([^)]*\\))*\\s+(\\w+)\\(");
    private static final Pattern NUMBER = Pattern.compile("extern \"C\" __device__ const int (\\w+)");

    private KernelFiles() {}

    static Path module() {
        Path here = Path.of("").toAbsolutePath();
        return here.endsWith("gpu-ops") ? here : here.resolveSibling("gpu-ops");
    }

    /** The kernel files' names without .cu. */
    static List<String> stems() {
        return files(FOLDER, ".cu").stream()
                .map(file -> file.getFileName().toString().replace(".cu", ""))
                .toList();
    }

    static Set<String> kernels() {
        return found(KERNEL);
    }

    /** The numbers that the files publish for Java. */
    static Set<String> numbers() {
        return found(NUMBER);
    }

    private static Set<String> found(Pattern pattern) {
        Set<String> names = new TreeSet<>();
        for (Path file : sources()) {
            Matcher matcher = pattern.matcher(read(file));
            while (matcher.find()) {
                names.add(matcher.group(1));
            }
        }
        return names;
    }

    /** All of them, headers included. */
    static List<Path> sources() {
        return Stream.of(files(FOLDER, ".cu"), files(FOLDER, ".cuh"))
                .flatMap(List::stream)
                .toList();
    }

    static List<Path> files(Path folder, String ending) {
        try (Stream<Path> listed = Files.list(folder)) {
            return listed.filter(file -> file.toString().endsWith(ending))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
