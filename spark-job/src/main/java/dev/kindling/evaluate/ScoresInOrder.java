package dev.kindling.evaluate;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;

/**
 * The results of a task, in the order of what it scores. Reads ahead until the first that has begun is scored in full.
 *
 * @param <I> what is scored
 * @param <S> its score while it is being computed
 * @param <R> its result
 */
abstract class ScoresInOrder<I, S, R> implements Iterator<R> {
    private final Iterator<I> inputs;
    private final LoadedScorer model;
    private final Measurements measurements;
    private final ScoringPipeline scorer;
    private final Deque<S> begun = new ArrayDeque<>();
    private boolean finished;

    ScoresInOrder(Iterator<I> inputs, LoadedScorer model, Measurements measurements) {
        this.inputs = inputs;
        this.model = model;
        this.measurements = measurements;
        scorer = new ScoringPipeline(model);
    }

    /** Gives the windows of an input to the scorer. */
    abstract S begin(I input, ScoringPipeline scorer);

    abstract boolean done(S score);

    abstract R result(S score);

    @Override
    public final boolean hasNext() {
        while (!finished && (begun.isEmpty() || !done(begun.peekFirst()))) {
            advance();
        }
        return !begun.isEmpty();
    }

    @Override
    public final R next() {
        if (!hasNext()) {
            throw new NoSuchElementException("everything has been scored");
        }
        return result(begun.removeFirst());
    }

    private void advance() {
        if (TaskContext.get().isInterrupted()) {
            throw new TaskKilledException("its job has ended");
        }
        if (inputs.hasNext()) {
            begun.addLast(begin(inputs.next(), scorer));
        } else {
            scorer.finish();
            measurements.record(model, scorer);
            finished = true;
        }
    }
}
