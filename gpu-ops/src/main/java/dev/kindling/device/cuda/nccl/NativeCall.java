package dev.kindling.device.cuda.nccl;

import java.time.Duration;
import java.util.Optional;

/** A call into a library that may never return, on a thread of its own that does not keep the process alive. */
final class NativeCall extends Thread {
    private static final long POLL_MILLIS = 2;

    private final Runnable call;
    private volatile RuntimeException failure;

    private NativeCall(String name, Runnable call) {
        super(name);
        this.call = call;
        setDaemon(true);
    }

    static NativeCall begin(String name, Runnable call) {
        NativeCall begun = new NativeCall(name, call);
        begun.start();
        return begun;
    }

    @Override
    public void run() {
        try {
            call.run();
        } catch (RuntimeException e) {
            failure = e;
        }
    }

    /** Did it end in time? {@code liveness} may throw before, on an interrupt for instance. */
    boolean endsWithin(Duration patience, Runnable liveness) {
        long end = System.nanoTime() + patience.toNanos();
        while (isAlive() && System.nanoTime() - end < 0) {
            liveness.run();
            pause();
        }
        return !isAlive();
    }

    /** Did it end in time? An interrupt changes nothing. */
    boolean endsWithin(Duration patience) {
        boolean interrupted = Thread.interrupted();
        boolean ended = endsWithin(patience, () -> {});
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return ended;
    }

    private static void pause() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What the call threw, once it has ended. */
    Optional<RuntimeException> failure() {
        return Optional.ofNullable(failure);
    }
}
