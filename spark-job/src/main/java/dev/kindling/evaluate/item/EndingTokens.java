package dev.kindling.evaluate.item;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokens that a model sees of an ending: those of its context, then its own. They are those of the whole text, and the
 * context's part is as long as the context alone; white space at the context's end counts as the ending's. An empty context
 * becomes the tokenizer's end of text.
 *
 * @param tokens at most block_size and one, cut on the left
 * @param scored how many of them, at the end, are the ending's
 * @param truncated whether some of the context was cut
 */
@SuppressWarnings("ArrayRecordComponent") // handed on, compared with nothing
public record EndingTokens(int[] tokens, int scored, boolean truncated) {

    /**
     * The tokens of all endings of an item.
     *
     * @throws DataException naming the item, if one of them cannot be scored
     */
    public static List<EndingTokens> of(Item item, Tokenizer tokenizer, int block) {
        try {
            if (item.problem() != null) {
                throw new DataException(item.problem());
            }
            return encode(item, tokenizer, block);
        } catch (DataException e) {
            String problem = item.problem() != null ? item.problem() : "item " + item.id() + ": " + e.getMessage();
            throw new DataException(problem + "; mend the file, or pass such items over with --on-error skip", e);
        }
    }

    private static List<EndingTokens> encode(Item item, Tokenizer tokenizer, int block) {
        String context = PythonText.stripEnd(item.context());
        String moved = item.context().substring(context.length());
        int[] before = tokenizer.encode(context);
        List<EndingTokens> all = new ArrayList<>();
        for (Item.Ending ending : item.endings()) {
            int[] whole = tokenizer.encode(context + moved + ending.continuation());
            int[] after = Arrays.copyOfRange(whole, Math.min(before.length, whole.length), whole.length);
            all.add(joined(before.length == 0 ? beginning(tokenizer) : before, after, block));
        }
        return all;
    }

    private static int[] beginning(Tokenizer tokenizer) {
        return new int[] {
            tokenizer
                    .endOfText()
                    .orElseThrow(() -> new DataException("its context is empty, and the model's tokenizer "
                            + tokenizer.id() + " has no end of text to begin with"))
        };
    }

    private static EndingTokens joined(int[] context, int[] ending, int block) {
        if (ending.length == 0) {
            throw new DataException("an ending has no token of its own after its context");
        }
        if (ending.length > block) {
            throw new DataException(
                    "an ending has %d tokens, more than the model's block_size %d", ending.length, block);
        }
        int kept = Math.min(context.length, block + 1 - ending.length);
        int[] tokens =
                Arrays.copyOf(Arrays.copyOfRange(context, context.length - kept, context.length), kept + ending.length);
        System.arraycopy(ending, 0, tokens, kept, ending.length);
        return new EndingTokens(tokens, ending.length, kept < context.length);
    }
}
