package dev.kindling.report;

import java.io.PrintStream;
import java.util.List;

/** Prints where the time before the first step went, by rank 0's clock. */
public final class StartTimes implements TrainingWatcher {
    private final StartClock clock;
    private final PrintStream out;
    private final TrainingWatcher next;
    private boolean began;
    private boolean printed;

    /**
     * @param clock has marked what came before the tokens
     * @param next gets every event as well
     */
    public StartTimes(StartClock clock, PrintStream out, TrainingWatcher next) {
        this.clock = clock;
        this.out = out;
        this.next = next;
    }

    @Override
    public void prepared() {
        clock.mark("tokens");
        next.prepared();
    }

    @Override
    public void began(int rank, List<StartClock.Phase> phases) {
        if (rank == 0 && !began) {
            clock.mark("executors", phases);
            began = true;
        }
        next.began(rank, phases);
    }

    @Override
    public void step(StepMetrics step) {
        if (!printed) {
            clock.mark("first step");
            out.println(clock.line());
            printed = true;
        }
        next.step(step);
    }
}
