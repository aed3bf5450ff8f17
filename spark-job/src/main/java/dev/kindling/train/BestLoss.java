package dev.kindling.train;

import dev.kindling.checkpoint.CheckpointState;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * The lowest validation loss of a run so far; the same on every rank.
 *
 * @param valLoss in nats a token; infinite before the first evaluation
 * @param step the steps done when it was measured; 0 where that is not known
 */
record BestLoss(double valLoss, long step) {
    static final BestLoss NONE = new BestLoss(Double.POSITIVE_INFINITY, 0);

    static BestLoss of(CheckpointState state) {
        return new BestLoss(
                state.bestValLoss().orElse(Double.POSITIVE_INFINITY),
                state.bestStep().orElse(0));
    }

    /** This, or what was measured now if that is lower. */
    BestLoss or(double measured, long done) {
        return measured < valLoss ? new BestLoss(measured, done) : this;
    }

    OptionalDouble valLossIfAny() {
        return Double.isInfinite(valLoss) ? OptionalDouble.empty() : OptionalDouble.of(valLoss);
    }

    OptionalLong stepIfAny() {
        return step == 0 ? OptionalLong.empty() : OptionalLong.of(step);
    }
}
