package dev.kindling.evaluate;

import dev.kindling.evaluate.item.EndingTokens;
import dev.kindling.evaluate.item.Item;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** The losses of an item's endings, while they are being computed. */
final class ItemLoss {
    private final Item item;
    private final boolean choice;
    private final double[] logLikelihoods;
    private final long tokens;
    private final boolean truncated;
    private final String problem;
    private int outstanding;
    private boolean greedy;

    ItemLoss(Item item, List<EndingTokens> endings, boolean choice) {
        this(item, endings, choice, null);
    }

    private ItemLoss(Item item, List<EndingTokens> endings, boolean choice, String problem) {
        this.item = item;
        this.choice = choice;
        this.problem = problem;
        logLikelihoods = new double[endings.size()];
        tokens = endings.stream().mapToLong(EndingTokens::scored).sum();
        truncated = endings.stream().anyMatch(EndingTokens::truncated);
    }

    /** An item that cannot be scored. */
    static ItemLoss skipped(Item item, String problem) {
        return new ItemLoss(item, List.of(), false, problem);
    }

    /** Takes the loss of one ending. */
    WindowBatch.Tally ending(int index) {
        return new WindowBatch.Tally() {
            @Override
            public String subject() {
                return "item " + item.id();
            }

            @Override
            public void expect() {
                outstanding++;
            }

            @Override
            public void add(double loss, int scored) {
                logLikelihoods[index] = -loss;
                outstanding--;
            }

            @Override
            public boolean asksForGreedy() {
                return !choice;
            }

            @Override
            public void greedy(boolean writes) {
                greedy = writes;
            }
        };
    }

    boolean done() {
        return outstanding == 0;
    }

    Item item() {
        return item;
    }

    /** Whether the item is a choice among endings. */
    boolean choice() {
        return choice;
    }

    /** Of each ending, in nats. */
    List<Double> logLikelihoods() {
        return Arrays.stream(logLikelihoods).boxed().toList();
    }

    /** The index of the ending with the highest log-likelihood per length; the first of equal ones. */
    int chosen(ToDoubleFunction<String> length) {
        int best = 0;
        for (int ending = 1; ending < logLikelihoods.length; ending++) {
            best = perLength(ending, length) > perLength(best, length) ? ending : best;
        }
        return best;
    }

    private double perLength(int ending, ToDoubleFunction<String> length) {
        return logLikelihoods[ending]
                / length.applyAsDouble(item.endings().get(ending).text());
    }

    /** Whether the model, at its likeliest, writes the only ending. */
    boolean greedy() {
        return greedy;
    }

    /** How many were scored, over all endings. */
    long tokens() {
        return tokens;
    }

    boolean truncated() {
        return truncated;
    }

    /** Why the item cannot be scored; null if it can. */
    String problem() {
        return problem;
    }
}
