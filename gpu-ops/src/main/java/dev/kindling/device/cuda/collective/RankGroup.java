package dev.kindling.device.cuda.collective;

import java.util.function.Consumer;

/**
 * A rank's place in its group.
 *
 * @param liveness asked while ranks or their kernels are waited for; throws when that is pointless
 * @param lastResort called with the reason when the GPU cannot be brought to leave off; should end the process
 */
public record RankGroup(int rank, int worldSize, Runnable liveness, Consumer<String> lastResort) {}
