package dev.kindling;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.LineMap;
import com.sun.source.tree.MethodTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** How large packages, files and methods may be: what a reader takes in at once. Main and test sources. */
class SizesTest {
    private static final int PACKAGE_FILES = 25;
    private static final int FILE_LINES = 300;
    private static final int METHOD_LINES = 50;

    /** One operation a file, and as many as there are. */
    private static final String KERNEL_CALLS = "dev/kindling/device/cuda";

    /** Unrolled, see VectorTileSource. */
    private static final String GENERATED = "VectorTile(4|8|12)\\.java";

    private static List<Path> sources;

    @BeforeAll
    static void findSources() throws IOException {
        try (Stream<Path> modules = Stream.of("data/src", "gpu-ops/src", "spark-job/src", "conf", "submit.sh")
                .map(Path.of("..")::resolve)) {
            List<Path> found = new ArrayList<>();
            for (Path root : modules.toList()) {
                try (Stream<Path> files = Files.walk(root)) {
                    files.filter(file -> file.toString().matches(".*\\.(java|cu|cuh|py|sh)"))
                            .filter(file -> !file.getFileName().toString().matches(GENERATED))
                            .sorted()
                            .forEach(found::add);
                }
            }
            sources = List.copyOf(found);
        }
        assertThat(sources).hasSizeGreaterThan(500);
    }

    private static Stream<Path> javaSources() {
        return sources.stream().filter(file -> file.toString().endsWith(".java"));
    }

    @Test
    void noPackageHasMoreFilesThanAReaderKeepsInMind() {
        Map<Path, Long> crowded = javaSources()
                .filter(file -> !file.getParent().endsWith(KERNEL_CALLS))
                .collect(Collectors.groupingBy(Path::getParent, TreeMap::new, Collectors.counting()));
        crowded.values().removeIf(files -> files <= PACKAGE_FILES);
        assertThat(crowded).isEmpty();
    }

    @Test
    void noFileIsLongerThanItsTopicNeeds() throws IOException {
        Map<Path, Integer> longFiles = new TreeMap<>();
        for (Path file : sources) {
            int lines = Files.readAllLines(file).size();
            if (lines > FILE_LINES) {
                longFiles.put(file, lines);
            }
        }
        assertThat(longFiles).isEmpty();
    }

    @Test
    void noMethodIsLongerThanAScreen() throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> longMethods = new ArrayList<>();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            JavacTask task = (JavacTask) compiler.getTask(
                    null,
                    files,
                    null,
                    null,
                    null,
                    files.getJavaFileObjectsFromPaths(javaSources().toList()));
            SourcePositions positions = Trees.instance(task).getSourcePositions();
            for (CompilationUnitTree file : task.parse()) {
                new LongMethods(file, positions).scan(file, longMethods);
            }
        }
        assertThat(longMethods).isEmpty();
    }

    private static final class LongMethods extends TreeScanner<Void, List<String>> {
        private final CompilationUnitTree file;
        private final SourcePositions positions;

        LongMethods(CompilationUnitTree file, SourcePositions positions) {
            this.file = file;
            this.positions = positions;
        }

        @Override
        public Void visitMethod(MethodTree method, List<String> found) {
            LineMap lines = file.getLineMap();
            // After the annotations: a table of a test's cases is no part of its code.
            long annotated = positions.getEndPosition(file, method.getModifiers());
            long start = annotated >= 0 ? annotated : positions.getStartPosition(file, method);
            long first = lines.getLineNumber(start);
            long last = lines.getLineNumber(positions.getEndPosition(file, method));
            if (last - first + 1 > METHOD_LINES) {
                found.add("%s.%s: %d lines"
                        .formatted(file.getSourceFile().getName(), method.getName(), last - first + 1));
            }
            return super.visitMethod(method, found);
        }
    }
}
