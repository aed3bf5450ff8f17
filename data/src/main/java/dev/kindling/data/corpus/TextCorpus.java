package dev.kindling.data.corpus;

import dev.kindling.data.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * Text files, each of them one document, in the order of their names. Read as strict UTF-8 and otherwise unchanged,
 * except that a leading byte order mark is dropped. Empty files are left out, and so are files and folders whose names
 * begin with {@code .} or {@code _}, which tools use for their markers.
 */
public final class TextCorpus implements Corpus {
    /** A document is held as one Java string, so a larger file has to be divided. */
    static final int MAX_FILE_BYTES = 1 << 30;

    private final String id;
    private final List<TextSource> sources;

    /**
     * Text from any store, such as a Hadoop FileSystem.
     *
     * @param id the corpus as the user named it
     * @param sources one for each document; put in the order of their names
     * @throws DataException if there are none
     */
    public TextCorpus(String id, List<TextSource> sources) {
        this.id = id;
        this.sources =
                sources.stream().sorted(Comparator.comparing(TextSource::name)).toList();
        if (sources.isEmpty()) {
            throw new DataException(
                    "corpus %s holds no text files (names that begin with . or _ are skipped); give a UTF-8 text file or a folder of them"
                            .formatted(id));
        }
    }

    /**
     * A local file, or every file in a folder and its subfolders.
     *
     * @throws DataException if the path is missing, unreadable, or a folder without files
     */
    public static TextCorpus of(Path path) {
        if (!Files.exists(path)) {
            throw new DataException(
                    "corpus %s does not exist; set data.corpus to shakespeare, a text file or a folder of text files"
                            .formatted(path));
        }
        String id = path.toString();
        if (!Files.isDirectory(path)) {
            return new TextCorpus(id, List.of(TextSource.of(path.getFileName().toString(), path)));
        }
        try (Stream<Path> files = Files.walk(path)) {
            return new TextCorpus(
                    id,
                    files.filter(file -> isText(path.relativize(file)) && Files.isRegularFile(file))
                            .map(file -> TextSource.of(
                                    path.relativize(file).toString().replace('\\', '/'), file))
                            .toList());
        } catch (IOException | UncheckedIOException e) {
            throw new DataException(
                    "cannot list corpus %s (%s); check the folder's permissions"
                            .formatted(path, DataException.reason(e)),
                    e);
        }
    }

    /** Whether a file at this relative path counts as text: no part of it has the name of a marker. */
    private static boolean isText(Path relative) {
        return StreamSupport.stream(relative.spliterator(), false)
                .map(Path::toString)
                .noneMatch(name -> name.startsWith(".") || name.startsWith("_"));
    }

    @Override
    public String id() {
        return id;
    }

    /** The sources in corpus order, for callers that read one document at a time elsewhere, such as Spark tasks. */
    public List<TextSource> sources() {
        return sources;
    }

    @Override
    public Stream<Document> documents() {
        return sources.stream()
                .map(source -> read(id, source))
                .filter(document -> !document.text().isEmpty());
    }

    /**
     * Reads one document.
     *
     * @throws DataException if it cannot be read, is binary, is not UTF-8, or is larger than 1 GiB
     */
    public static Document read(String corpus, TextSource source) {
        byte[] bytes;
        try (InputStream in = source.opener().open()) {
            bytes = in.readNBytes(MAX_FILE_BYTES + 1);
        } catch (IOException e) {
            throw new DataException(
                    "cannot read %s of corpus %s (%s); check that it exists and may be read"
                            .formatted(source.name(), corpus, DataException.reason(e)),
                    e);
        }
        if (bytes.length > MAX_FILE_BYTES) {
            throw new DataException("%s of corpus %s is larger than 1 GiB; divide it into smaller files"
                    .formatted(source.name(), corpus));
        }
        return new Document(source.name(), decode(bytes, 0, source.name(), corpus));
    }

    /**
     * Decodes a document, or a part of one that begins and ends between characters.
     *
     * @param offset of the part in the document, in bytes; a byte order mark is dropped at 0 only
     * @throws DataException if the bytes are binary or not UTF-8
     */
    public static String decode(byte[] bytes, long offset, String name, String corpus) {
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == 0) {
                throw new DataException(
                        "%s of corpus %s looks binary: byte %,d is NUL; give text files only, or convert it to UTF-8"
                                .formatted(name, corpus, offset + i));
            }
        }
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length);
        CoderResult result = decoder.decode(in, out, true);
        if (result.isError()) {
            throw new DataException(
                    "%s of corpus %s is not UTF-8: invalid byte 0x%02X at offset %,d; convert it, for example with iconv -t UTF-8"
                            .formatted(name, corpus, bytes[in.position()], offset + in.position()));
        }
        out.flip();
        boolean marked = offset == 0 && out.hasRemaining() && out.get(0) == '\uFEFF';
        return marked ? out.subSequence(1, out.length()).toString() : out.toString();
    }
}
