package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
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

    /** Takes away the files that are those of a library of this class path which the text lists; returns how many do so. */
    private static int account(Map<String, Long> content, String text) throws IOException {
        int libraries = 0;
        for (String element : System.getProperty("java.class.path").split(File.pathSeparator)) {
            Path version = Path.of(element).getParent(); // .../ARTIFACT/VERSION/ARTIFACT-VERSION.jar
            if (!element.endsWith(".jar")
                    || !text.contains(":" + version.getParent().getFileName() + ":" + version.getFileName() + " - ")) {
                continue;
            }
            libraries++;
            try (ZipFile library = new ZipFile(element)) {
                checksums(library).forEach(content::remove);
            }
        }
        return libraries;
    }

    @Test
    void everyFileInTheJarIsOfALibraryThatIsListedWithItsLicence() throws IOException {
        try (ZipFile jar = new ZipFile(System.getProperty("kindling.jar"))) {
            ZipEntry entry = jar.getEntry("META-INF/THIRD-PARTY.txt");
            assertThat(entry).isNotNull();
            String text = new String(jar.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8);
            assertThat(text)
                    .doesNotContain("Unknown license")
                    .doesNotContain("mlflow")
                    .doesNotContain("jackson");
            Map<String, Long> content = checksums(jar);
            content.remove("THIRD-PARTY.txt"); // license-maven-plugin packs a second copy there
            content.keySet().removeIf(name -> name.startsWith("dev/kindling/") || name.startsWith("kernels/"));
            assertThat(content).containsKey("picocli/CommandLine.class");
            assertThat(account(content, text)).isGreaterThan(5);
            assertThat(content.keySet()).isEmpty();
        }
    }
}
