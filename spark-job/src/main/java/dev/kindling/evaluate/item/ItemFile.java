package dev.kindling.evaluate.item;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.input.Format;
import dev.kindling.input.InputFile;
import dev.kindling.input.JsonLines;
import dev.kindling.input.Named;
import java.io.IOException;
import java.io.Serializable;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;

/** A task's file of items, JSON lines of one layout, which the driver has found and tasks read. */
public record ItemFile(InputFile file, ItemLayout layout) implements Serializable {
    private static final String LAYOUTS =
            "context, endings and label; HellaSwag's ctx_a, ctx_b, endings and label; or LAMBADA's text";

    /**
     * Finds the file, and its layout by the first line that has one.
     *
     * @throws ConfigException if it is a folder, or of another format
     * @throws DataException if it holds no item
     */
    public static ItemFile of(Named named, Configuration hadoop) throws IOException {
        InputFile file = InputFile.single(named, hadoop);
        if (file.format() == Format.PARQUET) {
            throw new ConfigException(named + " is Parquet, and items are read from JSON lines; write them as such");
        }
        try (JsonLines lines = JsonLines.of(file, 0, file.bytes())) {
            boolean any = false;
            while (lines.next()) {
                any = true;
                ItemLayout layout = layout(lines);
                if (layout != null) {
                    return new ItemFile(file, layout);
                }
            }
            throw new DataException(String.format(
                    Locale.ROOT,
                    any ? "no line of %s is an item: a JSON object with %s" : "%s is empty; give JSON lines with %s",
                    named,
                    LAYOUTS));
        } catch (IOException e) {
            throw file.unreadable(e);
        }
    }

    private static ItemLayout layout(JsonLines lines) {
        try {
            return ItemLayout.of(lines.object()).orElse(null);
        } catch (DataException e) { // the line is reported where items are read
            return null;
        }
    }

    /** The item of the line that was read last. */
    Item item(JsonLines lines) {
        String id = lines.key();
        try {
            JsonNode line = lines.object();
            id = ItemLayout.id(id, line);
            if (!layout.fits(line)) {
                throw new DataException("has not the keys of the file's first item, whose layout is " + layout);
            }
            return layout.read(id, line);
        } catch (DataException e) {
            return Item.bad(id, e.getMessage());
        }
    }
}
