package dev.kindling.input;

/**
 * A row of a table: a document.
 *
 * @param key its file and its place there, which do not depend on how the table is divided among tasks
 * @param id what it is called in results
 * @param text null where there is a problem
 * @param problem why it is none, a sentence about "document id"; null where all is well
 */
public record TableRow(String key, String id, String text, String problem) {
    static TableRow bad(String key, String id, String problem) {
        return new TableRow(key, id, null, "document " + id + " " + problem);
    }
}
