package dev.kindling.coordinate;

/**
 * Where an executor process keeps one thing of a job from a rank to the next, on the executors.
 *
 * @param job as its driver names it
 */
public record JobPlace(String job) {
    /** What was left here, the caller's from now on; or null. */
    public AutoCloseable take() {
        return CoordinatorEndpoint.retained().take(job);
    }

    /** Leaves something for the job's next rank here; it is closed when the job is over. */
    public void keep(AutoCloseable left) {
        CoordinatorEndpoint.retained().keep(job, left);
    }
}
