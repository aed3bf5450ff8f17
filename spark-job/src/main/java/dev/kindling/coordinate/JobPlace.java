package dev.kindling.coordinate;

/**
 * Where an executor process keeps one thing of a job from a rank to the next, on the executors.
 *
 * @param job as its driver names it
 */
public record JobPlace(String job) {
    /** What a rank leaves; closed when the job is over. */
    public interface Kept extends AutoCloseable {
        /** The driver is gone and this process is about to end: saves what would be lost with it. */
        default void orphaned() {}

        @Override
        void close();
    }

    /** Tells the next driver that this process has something to save, before it is known what. */
    public interface Notice {
        /** The driver of this process is gone. The notice stands until it is closed: all is saved that could be. */
        Standing give();
    }

    /** A notice that has been given. */
    public interface Standing extends AutoCloseable {
        @Override
        void close();
    }

    /** What this process gives notice by while it holds something of this job. */
    public void notice(Notice notice) {
        ExecutorProcess.notice(job, notice);
    }

    /** What was left here, the caller's from now on; or null. */
    public Kept take() {
        return CoordinatorEndpoint.retained().take(job);
    }

    /** Leaves something for the job's next rank here. */
    public void keep(Kept left) {
        CoordinatorEndpoint.retained().keep(job, left);
    }
}
