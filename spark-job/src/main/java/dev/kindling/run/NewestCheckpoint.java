package dev.kindling.run;

import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.data.DataException;
import dev.kindling.storage.NoSpaceException;
import java.io.IOException;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The newest checkpoint of a run that is being trained, on its driver, which commits them. Used by one thread at a time. */
public final class NewestCheckpoint {
    private static final Logger LOG = LoggerFactory.getLogger(NewestCheckpoint.class);

    private final RunDirectory run;
    private final CheckpointStore store;
    private long step;

    /** @param keep how many checkpoints stay */
    NewestCheckpoint(RunDirectory run, int keep) {
        this.run = run;
        this.store = run.checkpoints(keep);
    }

    /**
     * Commits what a rank has staged.
     *
     * @throws FatalJobException without space for it, which no attempt makes
     */
    public Path commit(Path staged, long ofStep) throws IOException {
        try {
            Path committed = store.commit(staged, ofStep);
            step = ofStep;
            return committed;
        } catch (NoSpaceException e) {
            throw new FatalJobException(e.getMessage(), e);
        }
    }

    /** Its step, by the last {@link #verified} and what was committed since; 0 without one. Reads nothing. */
    public long step() {
        return step;
    }

    /** The same, after what ranks have written that had lost this driver, or an earlier one, is committed. */
    public long stepWithRescued() {
        try {
            store.commitRescued().ifPresent(rescued -> {
                step = rescued;
                String line = "step " + rescued + " was saved by executors whose driver was gone";
                LOG.warn("{}", line);
                System.err.println("kindling: " + line);
            });
            return step;
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** The step of the newest one that is whole, 0 without one, after reading it through; damaged ones are passed over. */
    public long verified() {
        try {
            store.rescued().ranks().await();
            stepWithRescued();
            store.rescued().sweep();
            CheckpointStore.Recovery recovery = store.latestValid();
            recovery.skipped().forEach(line -> {
                LOG.warn("{}", line);
                System.err.println("kindling: " + line);
            });
            if (recovery.found().isEmpty() && !recovery.skipped().isEmpty()) {
                throw new FatalJobException(
                        "no checkpoint of %s can be read; restore one, or train anew in another --out", run);
            }
            step = recovery.found().map(CheckpointState::step).orElse(0L);
            return step;
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private FatalJobException unreadable(IOException e) {
        return new FatalJobException(
                e, "cannot look for checkpoints in %s (%s); check that it can be read", run, DataException.reason(e));
    }
}
