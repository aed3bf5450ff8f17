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

    /** What was left here, the caller's from now on; or null. */
    public Kept take() {
        return CoordinatorEndpoint.retained().take(job);
    }

    /** Leaves something for the job's next rank here. */
    public void keep(Kept left) {
        CoordinatorEndpoint.retained().keep(job, left);
    }
}
