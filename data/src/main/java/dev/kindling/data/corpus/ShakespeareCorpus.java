package dev.kindling.data.corpus;

import dev.kindling.data.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.stream.XMLStreamException;

/**
 * Hamlet, Romeo and Juliet, and Macbeth, as they lie in the Maven artifact {@code
 * org.exist-db:exist-samples} (public domain text, XML by Jon Bosak), rendered the way tiny
 * Shakespeare looks: the speaker and a colon, the lines, an empty line. One document for each scene
 * and prologue; stage directions are left out.
 */
public final class ShakespeareCorpus {
    /** As {@code data.corpus} names it. */
    public static final String ID = "shakespeare";

    private static final String FOLDER = "/org/exist/samples/shakespeare/";
    private static final List<String> PLAYS = List.of("hamlet", "r_and_j", "macbeth");

    /** The scenes, read lazily, in an order that is the same on every run and every machine. */
    public Stream<Document> documents() {
        return PLAYS.stream().flatMap(play -> scenes(play).stream());
    }

    private static List<Document> scenes(String play) {
        String resource = FOLDER + play + ".xml";
        try (InputStream in = ShakespeareCorpus.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new DataException(
                        "%s is not on the classpath; add org.exist-db:exist-samples:6.2.0, or set data.corpus to a text file",
                        resource);
            }
            return PlayReader.scenes(play, in);
        } catch (IOException | XMLStreamException e) {
            throw new DataException(
                    e, "cannot read %s (%s); replace the damaged exist-samples jar", resource, DataException.reason(e));
        }
    }
}
