package dev.kindling.evaluate;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/**
 * Gathers the windows of a task into batches and keeps two in flight: while the device computes one, the next one waits
 * for it, and a third is being filled.
 */
final class ScoringPipeline {
    private final LoadedScorer model;
    private WindowBatch filling;
    private final Deque<Submitted> submitted = new ArrayDeque<>();
    private long positions;
    private long nanos;

    private record Submitted(WindowBatch batch, Future<LoadedScorer.Computation> computation) {}

    ScoringPipeline(LoadedScorer model) {
        this.model = model;
        filling = new WindowBatch(model.extents());
    }

    /** Adds a window to the batch that is being filled; submits the batch when it is full. */
    void add(int[] tokens, int scored, WindowBatch.Tally tally) {
        if (!filling.takes(tokens.length - 1)) {
            submit();
        }
        tally.expect();
        filling.add(tokens, scored, tally);
    }

    /** Waits until every window has been scored. */
    void finish() {
        if (!filling.isEmpty()) {
            submit();
        }
        while (!submitted.isEmpty()) {
            await();
        }
    }

    private void submit() {
        submitted.addLast(new Submitted(filling, model.submit(filling)));
        if (submitted.size() == 2) {
            await();
        }
        filling = new WindowBatch(model.extents());
    }

    /** Waits for the oldest batch in flight. */
    private void await() {
        Submitted first = submitted.removeFirst();
        try {
            LoadedScorer.Losses computed = first.computation().get().await();
            first.batch().distribute(computed.rows());
            positions += first.batch().positionsUsed();
            nanos += computed.nanos();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("the evaluation's task was cancelled", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException failure
                    ? failure
                    : new IllegalStateException(e.getCause().getMessage(), e.getCause());
        }
    }

    /** Token positions that have been computed so far. */
    long positions() {
        return positions;
    }

    /** This task's part of the time from the device's first batch to its last. */
    long nanos() {
        return nanos;
    }
}
