package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPath;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;

/** What Maven Central asks of a project's POMs, and of what is published beside the jars. */
class PublishingTest {
    private static final XPath XPATH = XPathFactory.newInstance().newXPath();

    private static Document pom(String module) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(Path.of("..", module, "pom.xml").toFile());
    }

    private static String value(Document pom, String path) throws Exception {
        return XPATH.evaluate(path, pom).strip();
    }

    @Test
    void theParentSaysWhatCentralAsks() throws Exception {
        Document pom = pom("");
        for (String element : List.of(
                "name",
                "description",
                "url",
                "licenses/license/name",
                "licenses/license/url",
                "developers/developer/name",
                "scm/connection",
                "scm/developerConnection",
                "scm/url")) {
            assertThat(value(pom, "/project/" + element)).as(element).isNotEmpty();
        }
        assertThat(value(pom, "/project/groupId")).isEqualTo("dev.kindling");
        assertThat(value(pom, "/project/version")).matches("\\d+\\.\\d+\\.\\d+");
        assertThat(Files.readString(Path.of("../LICENSE"))).contains("Apache License");
    }

    @ParameterizedTest
    @ValueSource(strings = {"data", "gpu-ops", "spark-job"})
    void modulesHaveNamesAndTheParentsVersion(String module) throws Exception {
        Document pom = pom(module);
        assertThat(value(pom, "/project/name")).isNotEmpty();
        assertThat(value(pom, "/project/description")).isNotEmpty();
        assertThat(value(pom, "/project/parent/version")).isEqualTo(value(pom(""), "/project/version"));
    }

    @Test
    void nothingIsASnapshot() throws IOException {
        try (Stream<String> poms = Stream.of("", "data", "gpu-ops", "spark-job")) {
            for (String module : poms.toList()) {
                assertThat(Files.readString(Path.of("..", module, "pom.xml"))).doesNotContain("-SNAPSHOT");
            }
        }
    }

    @Test
    void theReleaseProfileMakesSourcesAndJavadocAndRefusesSnapshots() throws Exception {
        String profile = "/project/profiles/profile[id='release']/build/plugins/plugin";
        Document pom = pom("");
        assertThat(value(pom, profile + "[artifactId='maven-source-plugin']//goal"))
                .isEqualTo("jar-no-fork");
        assertThat(value(pom, profile + "[artifactId='maven-javadoc-plugin']//goal"))
                .isEqualTo("jar");
        String rules = profile + "[artifactId='maven-enforcer-plugin']//rules";
        assertThat(value(pom, "count(" + rules + "/requireReleaseVersion)")).isEqualTo("1");
        assertThat(value(pom, "count(" + rules + "/requireReleaseDeps)")).isEqualTo("1");
    }

    /** Spark users take the thin jar by its coordinates: what the cluster brings may not come with it. */
    @Test
    void whatTheClusterOrTheUserBringsIsNotADependency() throws Exception {
        Document pom = pom("spark-job");
        for (String artifact :
                List.of("spark-sql_${scala.binary.version}", "slf4j-api", "jackson-databind", "mlflow-client")) {
            assertThat(value(pom, "//dependency[artifactId='" + artifact + "']/scope"))
                    .as(artifact)
                    .isEqualTo("provided");
        }
        assertThat(value(pom, "//dependency[artifactId='mlflow-client']/optional"))
                .isEqualTo("true");
    }
}
