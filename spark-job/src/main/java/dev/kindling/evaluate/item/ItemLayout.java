package dev.kindling.evaluate.item;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.data.DataException;
import dev.kindling.input.Lines;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** How a line of a task's file writes an item. */
public enum ItemLayout {
    /**
     * Kindling's own: {@code context}, {@code endings} (texts), {@code label} (index of the right one), {@code id} if there is
     * one. A space goes between context and ending where neither has white space there.
     */
    MULTIPLE_CHOICE {
        @Override
        boolean fits(JsonNode line) {
            return line.has("context") && line.has("endings");
        }

        @Override
        Item read(String key, JsonNode line) {
            String context = text(line, "context");
            boolean spaced = PythonText.endsWithSpace(context);
            List<Item.Ending> endings = new ArrayList<>();
            for (String ending : endings(line)) {
                endings.add(
                        spaced || PythonText.startsWithSpace(ending)
                                ? new Item.Ending(ending, ending)
                                : Item.Ending.afterSpace(ending));
            }
            return new Item(id(key, line), context, endings, label(line, endings.size()), null);
        }
    },

    /**
     * HellaSwag's: {@code ctx_a} and {@code ctx_b} (or {@code ctx}), {@code activity_label}, {@code endings}, {@code label},
     * {@code ind}; cleaned as lm-evaluation-harness's task {@code hellaswag} does.
     */
    HELLASWAG {
        @Override
        boolean fits(JsonNode line) {
            return (line.has("ctx") || line.has("ctx_a")) && line.has("endings");
        }

        @Override
        Item read(String key, JsonNode line) {
            String context = line.has("ctx_a")
                    ? text(line, "ctx_a") + " " + PythonText.capitalize(text(line, "ctx_b"))
                    : text(line, "ctx");
            String activity = line.has("activity_label") ? text(line, "activity_label") + ": " : "";
            List<Item.Ending> endings = new ArrayList<>();
            for (String ending : endings(line)) {
                endings.add(Item.Ending.afterSpace(notEmpty(cleaned(ending))));
            }
            return new Item(id(key, line), cleaned(activity + context), endings, label(line, endings.size()), null);
        }
    },

    /** LAMBADA's: {@code text}, whose last word the model has to find, as in lm-evaluation-harness's {@code lambada_openai}. */
    LAMBADA {
        @Override
        boolean fits(JsonNode line) {
            return line.has("text") && !line.has("endings");
        }

        @Override
        Item read(String key, JsonNode line) {
            String text = text(line, "text");
            int space = text.lastIndexOf(' ');
            if (space <= 0 || space == text.length() - 1) {
                throw new DataException("has no last word after a space in 'text'");
            }
            Item.Ending word = Item.Ending.afterSpace(text.substring(space + 1));
            return new Item(id(key, line), text.substring(0, space), List.of(word), 0, null);
        }
    };

    private static final Pattern BRACKETS = Pattern.compile("\\[.*?\\]", Pattern.UNIX_LINES);
    private static final List<String> IDS = List.of("id", "ind", "idx");

    /** Whether an object has the keys of this layout. */
    abstract boolean fits(JsonNode line);

    /**
     * Reads an object that {@link #fits}.
     *
     * @param key names the item if the object does not
     * @throws DataException that goes on where the item has been named
     */
    abstract Item read(String key, JsonNode line);

    /** The layout whose keys an object has. */
    static Optional<ItemLayout> of(JsonNode line) {
        for (ItemLayout layout : values()) {
            if (layout.fits(line)) {
                return Optional.of(layout);
            }
        }
        return Optional.empty();
    }

    /** Whether a model has to choose among endings; otherwise it has to find the only one. */
    public boolean choice() {
        return this != LAMBADA;
    }

    /** As results call it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    static String id(String key, JsonNode line) {
        for (String name : IDS) {
            JsonNode id = line.path(name);
            if (id.isTextual() || id.isIntegralNumber()) {
                return Lines.text(id);
            }
        }
        return key;
    }

    private static String cleaned(String text) {
        String titles = PythonText.strip(text).replace(" [title]", ". ");
        return BRACKETS.matcher(titles).replaceAll("").replace("  ", " ");
    }

    private static String text(JsonNode line, String key) {
        JsonNode value = line.path(key);
        if (!value.isTextual()) {
            throw new DataException("has no text in '" + key + "'");
        }
        return Lines.text(value);
    }

    private static List<String> endings(JsonNode line) {
        JsonNode endings = line.path("endings");
        if (!endings.isArray() || endings.size() < 2) {
            throw new DataException("has no two texts or more in 'endings'");
        }
        List<String> texts = new ArrayList<>();
        for (JsonNode ending : endings) {
            if (!ending.isTextual()) {
                throw new DataException("has an ending that is no text");
            }
            texts.add(notEmpty(Lines.text(ending)));
        }
        return texts;
    }

    private static String notEmpty(String ending) {
        if (ending.isEmpty()) {
            throw new DataException("has an ending that is empty");
        }
        return ending;
    }

    /** HellaSwag's comes as a number or as its digits. */
    private static int label(JsonNode line, int endings) {
        JsonNode value = line.path("label");
        String digits = value.isIntegralNumber() || value.isTextual() ? value.asText() : "";
        for (int label = 0; label < endings; label++) {
            if (digits.equals(Integer.toString(label))) {
                return label;
            }
        }
        throw new DataException(
                "has %s in 'label', which has to be the right ending's index, 0 to %d",
                value.isMissingNode() ? "nothing" : value, endings - 1);
    }
}
