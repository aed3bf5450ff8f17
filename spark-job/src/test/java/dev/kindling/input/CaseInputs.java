package dev.kindling.input;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

/** Small inputs of the kinds that people bring: names, encodings, links, tables and compressed files. */
public final class CaseInputs {
    /** Letters outside ASCII, as they occur in the names, texts and prompts of these inputs. */
    public static final String LETTERS = "Gr\u00f6\u00dfe \u00fcbt";

    private final Path root;

    private CaseInputs(Path root) {
        this.root = root;
    }

    /** Writes all of them below {@code root}. */
    public static void write(Path root) throws IOException {
        CaseInputs inputs = new CaseInputs(root);
        inputs.texts();
        inputs.rows();
        inputs.configurations();
        inputs.damaged();
    }

    /** A row of 21 million characters. */
    public static void writeHugeRow(Path root) throws IOException {
        new CaseInputs(root).file("huge.jsonl", row("word ".repeat(4_200_000)));
    }

    private void texts() throws IOException {
        file("small.txt", text("small"));
        file("names/a.txt", text("a"));
        file("names/\u00fcbung.txt", text("b"));
        file("names/\u65e5\u672c.txt", text("c"));
        file("loop/a.txt", text("a"));
        Files.createSymbolicLink(root.resolve("loop/self"), Path.of("."));
        file("words.txt", "word0000001\r\nword0000002\r\n".repeat(500));
        file("notes/a.txt", text("a"));
        file("notes/b.txt", text("b"));
        file("notes/meta.json", "{\"n\": 2}");
        file("text.gz/a.txt", text("a"));
        compressed("text.gz/b.txt.gz", text("b"));
        file("alphabet/one.txt", "abcdefghijklmnopqrst".repeat(100));
        file("alphabet/two.txt", "ABCDEFGHIJKLMNOPQRST".repeat(100));
    }

    private void rows() throws IOException {
        // Names that are patterns elsewhere, beside the file that the pattern would match.
        file("patterns/x[1].jsonl", row("First"));
        file("patterns/x1.jsonl", row("Something quite different is here"));
        file("patterns/a,b.jsonl", row("First Citizen:"));
        file("patterns/_x.jsonl", row("First Citizen:"));
        file("two.jsonl", row("First Citizen:").strip() + " " + row("Before we go") + row("Speak, speak."));
        file("prompts.ndjson", "{\"prompt\": \"ROMEO:\", \"id\": \"r\"}\n{\"prompt\": \"JULIET:\", \"id\": \"j\"}\n");
        Files.write(
                root.resolve("latin1.jsonl"),
                "{\"text\": \"Gr\u00fc\u00dfe an alle\"}\n".getBytes(StandardCharsets.ISO_8859_1));
    }

    private void configurations() throws IOException {
        Files.write(
                root.resolve("latin1.yaml"),
                "# gr\u00f6\u00dfe\ntrain:\n  max_steps: 5\n".getBytes(StandardCharsets.ISO_8859_1));
        file("two-documents.yaml", "train:\n  seed: 5\n---\ntrain:\n  seed: 99\n");
    }

    private void damaged() throws IOException {
        file("empty.txt", "");
        file("short.txt", "To be.");
        file("binary/a.txt", text("a"));
        Files.write(root.resolve("binary/b.txt"), new byte[] {'a', 0, 'b'});
    }

    private static String row(String text) {
        return "{\"text\": \"" + text + "\"}\n";
    }

    /** A page of text that no other name gives, in ASCII. */
    private static String text(String name) {
        return ("First Citizen:\nBefore we go, hear " + name
                        + " speak.\n\nROMEO:\nSomething quite different is here.\n\n")
                .repeat(40);
    }

    private void file(String name, String text) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private void compressed(String name, String text) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(text.getBytes(StandardCharsets.UTF_8));
        }
        Files.write(root.resolve(name), bytes.toByteArray());
    }
}
