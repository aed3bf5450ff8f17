package dev.kindling.coordinate;

import dev.kindling.coordinate.message.Limits;

/** A plan whose number of ranks does not change. */
public final class FixedRanks {
    private FixedRanks() {}

    /** Exactly {@code worldSize} ranks, three attempts without progress, standard limits. */
    public static GenerationPlan plan(int worldSize, Transport transport, long maxElements) {
        return new GenerationPlan(worldSize, worldSize, transport, maxElements, 3, Limits.standard());
    }
}
