package dev.kindling.data.corpus;

import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/** Reads a play in Jon Bosak's XML markup, one document for each SCENE, PROLOGUE and EPILOGUE. */
final class PlayReader {
    private final String play;
    private final XMLStreamReader xml;
    private final List<Document> scenes = new ArrayList<>();
    private int act;
    private int scene;
    private StringBuilder text = new StringBuilder();

    private PlayReader(String play, XMLStreamReader xml) {
        this.play = play;
        this.xml = xml;
    }

    /** Expands no entity and loads no DTD: a document can make the reader fetch nothing. */
    static List<Document> scenes(String play, InputStream in) throws XMLStreamException {
        // The JDK's own parser, whatever else a cluster has on its classpath.
        XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
        factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
        factory.setProperty(XMLInputFactory.IS_SUPPORTING_EXTERNAL_ENTITIES, false);
        factory.setProperty(XMLInputFactory.IS_COALESCING, true);
        XMLStreamReader xml = factory.createXMLStreamReader(in);
        try {
            PlayReader reader = new PlayReader(play, xml);
            reader.read();
            return List.copyOf(reader.scenes);
        } finally {
            xml.close();
        }
    }

    private void read() throws XMLStreamException {
        while (xml.hasNext()) {
            int event = xml.next();
            if (event == XMLStreamConstants.START_ELEMENT) {
                switch (xml.getLocalName()) {
                    case "ACT" -> {
                        act++;
                        scene = 0;
                    }
                    case "SPEECH" -> speech();
                    default -> {}
                }
            } else if (event == XMLStreamConstants.END_ELEMENT) {
                endScene(xml.getLocalName());
            }
        }
    }

    private void endScene(String element) {
        String name =
                switch (element) {
                    case "SCENE" -> "scene-" + ++scene;
                    case "PROLOGUE", "EPILOGUE" -> element.toLowerCase(Locale.ROOT);
                    default -> null;
                };
        if (name != null) {
            scenes.add(new Document(String.join("/", play, "act-" + act, name), text.toString()));
            text = new StringBuilder();
        }
    }

    /** Appends "SPEAKER:\nlines\n\n"; a speech of several speakers names each on its own line. */
    private void speech() throws XMLStreamException {
        StringBuilder speakers = new StringBuilder();
        StringBuilder lines = new StringBuilder();
        while (xml.next() != XMLStreamConstants.END_ELEMENT || !"SPEECH".equals(xml.getLocalName())) {
            if (xml.isStartElement()) {
                switch (xml.getLocalName()) {
                    case "SPEAKER" -> {
                        String speaker = content("SPEAKER");
                        // The Chorus of the first prologue of Romeo and Juliet has no name in the markup.
                        speakers.append(speaker.isEmpty() ? "Chorus" : speaker).append(":\n");
                    }
                    case "LINE" -> {
                        String line = content("LINE");
                        if (!line.isEmpty()) {
                            lines.append(line).append('\n');
                        }
                    }
                    default -> {}
                }
            }
        }
        if (!lines.isEmpty()) {
            text.append(speakers).append(lines).append('\n');
        }
    }

    /** The element's own text with single spaces; what its child elements hold is a stage direction. */
    private String content(String element) throws XMLStreamException {
        StringBuilder own = new StringBuilder();
        int depth = 1;
        while (depth > 0) {
            switch (xml.next()) {
                case XMLStreamConstants.START_ELEMENT -> depth++;
                case XMLStreamConstants.END_ELEMENT -> depth--;
                case XMLStreamConstants.CHARACTERS -> {
                    if (depth == 1) {
                        own.append(xml.getText());
                    }
                }
                case XMLStreamConstants.END_DOCUMENT ->
                    throw new XMLStreamException("the document ends inside " + element);
                default -> {}
            }
        }
        return own.toString().strip().replaceAll("\\s+", " ");
    }
}
