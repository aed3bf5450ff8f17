package dev.kindling.run;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.StoreException;
import dev.kindling.storage.FileFault;
import dev.kindling.storage.NoSpaceException;
import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.ShutdownHookManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run directory owned by this process while it trains there; two trainings would delete each other's checkpoints. The
 * marker {@code .owner} is created without overwriting, and removed when the training ends, also by SIGINT or SIGTERM.
 * Before the directory is deleted, the marker is checked to be still this training's own. On a local disk, a lock of
 * the operating system tells the marker of a killed training from that of a running one; elsewhere a marker holds until
 * somebody deletes it, or another attempt of the same {@link Submission} takes it over.
 *
 * <p>A training that has not completed a step leaves nothing behind: closed without {@link #keep}, a new directory is
 * deleted, and a resumed run gets its former {@code config.yaml} back.
 */
public final class OwnedRun implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OwnedRun.class);

    private final RunDirectory run;
    private final OwnerMarker owner;
    private final RunLock lock; // null elsewhere than on a local disk
    private final Runnable onShutdown = this::release;
    private RunLog log; // null elsewhere than on a local disk
    private TrainConfig former; // null for a new run
    private boolean kept;

    private OwnedRun(RunDirectory run, OwnerMarker owner, RunLock lock) {
        this.run = run;
        this.owner = owner;
        this.lock = lock;
    }

    static OwnedRun take(RunDirectory run, TrainConfig config, boolean resume) throws IOException {
        run.require(resume);
        OwnedRun owned;
        try {
            if (!resume && !run.storage().makeNew(run.path())) {
                throw run.occupied();
            }
            owned = mark(run, resume);
        } catch (NoSpaceException e) {
            throw e;
        } catch (IOException e) {
            throw new ConfigException(
                    e,
                    "cannot write to %s (%s); check its permissions, or choose another --out",
                    run.path(),
                    FileFault.reason(e));
        }
        try {
            owned.begin(config, resume);
            return owned;
        } catch (IOException | RuntimeException e) {
            try {
                owned.close();
            } catch (IOException closing) {
                e.addSuppressed(closing);
            }
            throw e;
        }
    }

    private static OwnedRun mark(RunDirectory run, boolean resume) throws IOException {
        Storage storage = run.storage();
        Path marker = marker(run);
        RunLock lock = null;
        if (storage.isLocal()) {
            lock = RunLock.take(run.path()).orElseThrow(() -> owned(run, "wait for its end"));
        }
        try {
            OwnerMarker owner = OwnerMarker.ofThisProcess();
            if (!storage.writeNew(marker, owner.toJson())) {
                if (lock == null && !isOfThisSubmission(storage, marker)) {
                    throw owned(
                            run,
                            String.format(Locale.ROOT, "wait for its end; if that process is gone, delete %s", marker));
                }
                storage.write(marker, owner.toJson()); // left by a process that was killed
            }
            return new OwnedRun(run, owner, lock);
        } catch (IOException | RuntimeException e) {
            if (lock != null) {
                lock.close();
            }
            if (!resume && storage.isLocal()) { // made by this process alone
                storage.deleteQuietly(run.path(), e);
            }
            throw e;
        }
    }

    private static ConfigException owned(RunDirectory run, String remedy) {
        String who;
        try {
            who = OwnerMarker.parse(run.storage().read(marker(run)))
                    .map(OwnerMarker::describe)
                    .orElse("an owner that its .owner does not name");
        } catch (IOException e) { // it has just ended, or just begun
            who = "another process";
        }
        return new ConfigException(
                "another training is writing to %s: %s; %s, or choose another --out", run.path(), who, remedy);
    }

    private static Path marker(RunDirectory run) {
        return new Path(run.path(), ".owner");
    }

    /** The id of this training among those that have owned the run, see {@link RunDirectory#isOwnedBy}. */
    public String training() {
        return owner.id();
    }

    /**
     * Whether no other training than this one has owned the run since: its marker is there, or it was left by a signal and
     * nobody came after.
     */
    static boolean isOwnedBy(RunDirectory run, String training) throws IOException {
        Storage storage = run.storage();
        Path marker = storage.files().exists(marker(run)) ? marker(run) : lastMarker(run);
        try {
            return OwnerMarker.parse(storage.read(marker))
                    .filter(owner -> owner.id().equals(training))
                    .isPresent();
        } catch (FileNotFoundException e) {
            return false;
        }
    }

    /**
     * The marker of a training that has ended, where its submission may have another attempt, or its ranks may not have
     * ended yet.
     */
    private static Path lastMarker(RunDirectory run) {
        return new Path(run.path(), ".owner.last");
    }

    /** Whether the last training here was killed, or may have another attempt of its submission. */
    static boolean isLeft(RunDirectory run) throws IOException {
        return run.storage().files().exists(marker(run))
                || run.storage().files().exists(lastMarker(run));
    }

    /** Whether an earlier attempt of the submission that this process belongs to was the last to own the run. */
    static boolean isOfThisSubmission(RunDirectory run) throws IOException {
        return isOfThisSubmission(run.storage(), marker(run)) || isOfThisSubmission(run.storage(), lastMarker(run));
    }

    private static boolean isOfThisSubmission(Storage storage, Path marker) throws IOException {
        Optional<String> own = Submission.ofThisProcess();
        try {
            return own.isPresent()
                    && OwnerMarker.parse(storage.read(marker))
                            .map(OwnerMarker::submission)
                            .equals(own);
        } catch (FileNotFoundException e) {
            return false;
        }
    }

    private void begin(TrainConfig config, boolean resume) throws IOException {
        ShutdownHookManager.get().addShutdownHook(onShutdown, FileSystem.SHUTDOWN_HOOK_PRIORITY + 1);
        if (resume) {
            former = run.config(ConfigOverrides.NONE);
        }
        if (run.storage().isLocal()) {
            log = RunLog.open(java.nio.file.Path.of(run.path().toUri().getPath()));
        }
        run.write(config);
    }

    /** Says that the training has completed a step: from now on what it has written stays. */
    public void keep() {
        kept = true;
    }

    @Override
    public void close() throws IOException {
        if (log != null) {
            log.close();
        }
        try {
            if (!kept && isOurs()) {
                leaveAsFound();
            }
        } finally {
            release();
            if (lock != null) {
                lock.close();
            }
        }
    }

    private void leaveAsFound() throws IOException {
        if (former == null) {
            run.storage().files().delete(run.path(), true);
        } else {
            run.write(former);
        }
    }

    private boolean isOurs() throws IOException {
        try {
            return owner.isIn(run.storage().read(marker(run)));
        } catch (FileNotFoundException e) {
            return false;
        }
    }

    private void release() {
        try {
            if (isOurs()) {
                if (owner.submission() != null || ShutdownHookManager.get().isShutdownInProgress()) {
                    run.storage().write(lastMarker(run), owner.toJson());
                } else {
                    run.storage().files().delete(lastMarker(run), false);
                }
                run.storage().files().delete(marker(run), false);
            }
        } catch (IOException | StoreException e) {
            LOG.warn("could not delete {}; delete it before the run is resumed", marker(run), e);
        }
        if (!ShutdownHookManager.get().isShutdownInProgress()) {
            ShutdownHookManager.get().removeShutdownHook(onShutdown);
        }
    }
}
