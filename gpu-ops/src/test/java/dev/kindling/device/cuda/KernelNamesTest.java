package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Java and the kernel files name the same kernels and numbers: neither has one that the other does not know. */
class KernelNamesTest {
    private static final Path JAVA = KernelFiles.module().resolve("src/main/java/dev/kindling/device/cuda");
    private static final Pattern LITERAL = Pattern.compile("\"([a-z][a-z0-9_]*)\"");
    private static final Pattern LAUNCHED = Pattern.compile("(?:kernel|number)\\(\\s*\"(\\w+)\"");

    @Test
    void everyKernelIsLaunchedByJava() {
        assertThat(KernelFiles.kernels()).hasSizeGreaterThan(20);
        assertThat(literals(LITERAL)).containsAll(KernelFiles.kernels());
    }

    @Test
    void everyPublishedNumberIsReadByJava() {
        assertThat(KernelFiles.numbers()).hasSizeGreaterThan(5);
        assertThat(literals(LITERAL)).containsAll(KernelFiles.numbers());
    }

    @Test
    void whatJavaNamesIsThere() {
        Set<String> named = literals(LAUNCHED);
        literals(LITERAL).stream()
                .filter(name -> name.contains("_") && !name.startsWith("sm_"))
                .forEach(named::add);
        Set<String> known = new TreeSet<>(KernelFiles.stems());
        known.addAll(KernelFiles.kernels());
        known.addAll(KernelFiles.numbers());
        assertThat(named).hasSizeGreaterThan(20);
        assertThat(known).containsAll(named);
    }

    private static Set<String> literals(Pattern pattern) {
        Set<String> names = new TreeSet<>();
        for (Path file : KernelFiles.files(JAVA, ".java")) {
            Matcher matcher = pattern.matcher(KernelFiles.read(file));
            while (matcher.find()) {
                names.add(matcher.group(1));
            }
        }
        return names;
    }
}
