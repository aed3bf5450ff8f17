package dev.kindling.data.corpus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import javax.xml.stream.XMLStreamException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShakespeareCorpusTest {
    private final List<Document> documents = new ShakespeareCorpus().documents().toList();

    @Test
    void holdsEverySceneAndPrologueOnce() {
        assertThat(documents).hasSize(20 + 24 + 2 + 28);
        assertThat(documents)
                .extracting(Document::id)
                .doesNotHaveDuplicates()
                .contains(
                        "hamlet/act-1/scene-1",
                        "r_and_j/act-1/prologue",
                        "r_and_j/act-2/scene-6",
                        "macbeth/act-5/scene-8");
        assertThat(documents).allSatisfy(document -> assertThat(document.text()).isNotBlank());
    }

    @Test
    void looksLikeTinyShakespeare() {
        assertThat(documents.get(0).text())
                .startsWith("BERNARDO:\nWho's there?\n\nFRANCISCO:\nNay, answer me: stand, and unfold yourself.\n\n");
        assertThat(document("r_and_j/act-1/prologue").text())
                .startsWith("Chorus:\nTwo households, both alike in dignity,\n");
        assertThat(documents)
                .allSatisfy(document -> assertThat(document.text())
                        .endsWith("\n\n")
                        .doesNotContain("\n\n\n")
                        .doesNotContain("<")
                        .doesNotContain("&amp;")
                        .doesNotContain("  ")
                        .matches(text -> text.lines().allMatch(line -> line.equals(line.strip()))));
    }

    @Test
    void leavesStageDirectionsOutAndNamesEverySpeaker() {
        String hamlet = document("hamlet/act-1/scene-2").text();
        assertThat(hamlet).contains("HAMLET:\nA little more than kin, and less than kind.\n");
        assertThat(hamlet).contains("CORNELIUS:\nVOLTIMAND:\n").doesNotContain("Aside");
        String all = documents.stream().map(Document::text).collect(Collectors.joining());
        assertThat(all.codePoints().distinct().count()).isBetween(55L, 70L);
        assertThat(all.length()).isBetween(400_000, 480_000);
        assertThat(all).isASCII();
    }

    @Test
    void readsTheSameEveryTime() {
        assertThat(new ShakespeareCorpus().documents().toList()).isEqualTo(documents);
    }

    @Test
    void fetchesNothingThatADocumentNames(@TempDir Path folder) throws Exception {
        Path secret = Files.writeString(folder.resolve("secret"), "SECRET");
        String xml = """
                <!DOCTYPE PLAY [<!ENTITY x SYSTEM "%s">]>
                <PLAY><ACT><SCENE><SPEECH><SPEAKER>A</SPEAKER><LINE>word &x;</LINE></SPEECH></SCENE></ACT></PLAY>
                """.formatted(secret.toUri());
        // With no DTD read, the entity is unknown, whatever it names.
        assertThatThrownBy(() -> PlayReader.scenes("evil", stream(xml)))
                .isInstanceOf(XMLStreamException.class)
                .hasMessageContaining("\"x\"")
                .hasMessageContaining("not declared")
                .hasMessageNotContaining("SECRET");
    }

    @Test
    void refusesADocumentThatIsCutShort() {
        assertThatThrownBy(() -> PlayReader.scenes("cut", stream("<PLAY><ACT><SCENE><SPEECH><LINE>word")))
                .isInstanceOf(XMLStreamException.class);
    }

    private static ByteArrayInputStream stream(String xml) {
        return new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8));
    }

    private Document document(String id) {
        return documents.stream()
                .filter(document -> document.id().equals(id))
                .findFirst()
                .orElseThrow();
    }
}
