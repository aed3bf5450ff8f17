package dev.kindling.evaluate;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/** A task's windows, gathered into batches: while the device computes one, the next is filled. */
final class Scorer {
    private final LoadedModel model;
    private WindowBatch filling;
    private WindowBatch computing;
    private Future<LoadedModel.Losses> losses;
    private long positions;
    private long nanos;

    Scorer(LoadedModel model) {
        this.model = model;
        filling = new WindowBatch(model.extents());
    }

    /** Scores a window, now or later. */
    void add(int[] tokens, int scored, Tally tally) {
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
        await();
    }

    private void submit() {
        await();
        computing = filling;
        losses = model.submit(computing);
        filling = new WindowBatch(model.extents());
    }

    private void await() {
        if (computing == null) {
            return;
        }
        try {
            LoadedModel.Losses computed = losses.get();
            computing.distribute(computed.rows());
            positions += computing.positionsUsed();
            nanos += computed.nanos();
            computing = null;
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

    /** Time that the device took for them. */
    long nanos() {
        return nanos;
    }
}
