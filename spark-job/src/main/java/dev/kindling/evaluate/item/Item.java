package dev.kindling.evaluate.item;

import java.util.List;

/**
 * One question to a model: how likely is each ending after the context?
 *
 * @param id what it is called in results
 * @param context the text before every ending
 * @param endings one or more
 * @param label the index of the right one
 * @param problem why the item cannot be used, a sentence about "item id"; null where all is well
 */
public record Item(String id, String context, List<Ending> endings, int label, String problem) {

    public Item {
        endings = List.copyOf(endings);
    }

    /**
     * A text that may follow the context.
     *
     * @param text by whose length a normalised accuracy divides
     * @param continuation the text and what stands between the context and it
     */
    public record Ending(String text, String continuation) {
        /** A space between the context and {@code text}: lm-evaluation-harness's target_delimiter. */
        static Ending afterSpace(String text) {
            return new Ending(text, " " + text);
        }
    }

    static Item bad(String id, String problem) {
        return new Item(id, null, List.of(), 0, "item " + id + " " + problem);
    }
}
