package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;

/** {@code META-INF/THIRD-PARTY.txt} of the application jar: the licence of everything that it carries. */
class ThirdPartyIT {
    private static Map<String, Long> checksums(ZipFile jar) {
        Map<String, Long> checksums = new HashMap<>();
        jar.stream()
                .filter(entry -> !entry.isDirectory() && !entry.getName().startsWith("META-INF/"))
                .forEach(entry -> checksums.put(entry.getName(), entry.getCrc()));
        return checksums;
    }

    /** {@code artifact:version} of the libraries of this class path of which the jar has some file. */
    private static List<String> carried(ZipFile jar) throws IOException {
        Map<String, Long> content = checksums(jar);
        List<String> carried = new ArrayList<>();
        for (String element : System.getProperty("java.class.path").split(File.pathSeparator)) {
            Path path = Path.of(element);
            if (!element.endsWith(".jar") || path.getFileName().toString().startsWith("kindling-")) {
                continue;
            }
            try (ZipFile library = new ZipFile(path.toFile())) {
                boolean some = checksums(library).entrySet().stream()
                        .anyMatch(entry -> entry.getValue().equals(content.get(entry.getKey())));
                if (some) {
                    Path version = path.getParent(); // .../ARTIFACT/VERSION/ARTIFACT-VERSION.jar
                    carried.add(version.getParent().getFileName() + ":" + version.getFileName());
                }
            }
        }
        return carried;
    }

    @Test
    void everyLibraryInTheJarIsListedWithItsLicence() throws IOException {
        try (ZipFile jar = new ZipFile(System.getProperty("kindling.jar"))) {
            ZipEntry entry = jar.getEntry("META-INF/THIRD-PARTY.txt");
            assertThat(entry).isNotNull();
            String text = new String(jar.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8);
            List<String> carried = carried(jar);
            assertThat(carried)
                    .anyMatch(library -> library.startsWith("picocli:"))
                    .hasSizeGreaterThan(5);
            for (String library : carried) {
                assertThat(text).containsPattern("\\([^()]+\\).*:" + library.replace(".", "\\.") + " - ");
            }
            assertThat(text)
                    .doesNotContain("Unknown license")
                    .doesNotContain("mlflow")
                    .doesNotContain("jackson");
        }
    }
}
