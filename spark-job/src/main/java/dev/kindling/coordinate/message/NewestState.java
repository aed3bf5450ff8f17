package dev.kindling.coordinate.message;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;

/** Where a generation begins: at the newest step of which its ranks hold all parts, or at the last checkpoint. */
public final class NewestState {
    private final HeldState[] held;
    private final long committed;
    private DriverReply.Start start;

    /** @param committed the step of the last checkpoint; 0 without one */
    public NewestState(int worldSize, long committed) {
        held = new HeldState[worldSize];
        this.committed = committed;
    }

    /** What a rank holds; the choice is made when all have said it. */
    public void add(int rank, HeldState state) {
        held[rank] = state;
        if (start == null && Arrays.stream(held).noneMatch(Objects::isNull)) {
            start = choice();
        }
    }

    /** The choice; empty before it is made. */
    public Optional<DriverReply.Start> start() {
        return Optional.ofNullable(start);
    }

    private DriverReply.Start choice() {
        DriverReply.Start best = new DriverReply.Start(committed, committed, List.of());
        for (HeldState candidate : held) {
            List<List<Integer>> holders = holders(candidate);
            boolean newer = candidate.step() > best.step()
                    || (candidate.step() == best.step() && best.holders().isEmpty());
            if (candidate.step() > 0 && newer && holders.stream().noneMatch(List::isEmpty)) {
                best = new DriverReply.Start(candidate.step(), committed, holders);
            }
        }
        return best;
    }

    /** For each part of a state, the ranks that hold it at that step. */
    private List<List<Integer>> holders(HeldState state) {
        List<List<Integer>> holders = new ArrayList<>();
        for (int part = 0; part < state.parts(); part++) {
            int wanted = part;
            holders.add(IntStream.range(0, held.length)
                    .filter(rank -> held[rank].step() == state.step()
                            && held[rank].parts() == state.parts()
                            && held[rank].held().contains(wanted))
                    .boxed()
                    .toList());
        }
        return holders;
    }

    /** "going on from step 57 held by rank 0; 0 finished step(s) lost". */
    public static String describe(DriverReply.Start start, long lost) {
        return "going on from " + describe(start) + "; " + lost + " finished step(s) lost";
    }

    /** "step 57 held by rank 0", "step 40 of the last checkpoint", "the beginning". */
    private static String describe(DriverReply.Start start) {
        if (start.holders().isEmpty()) {
            return start.step() == 0 ? "the beginning" : "step " + start.step() + " of the last checkpoint";
        }
        int[] ranks = start.holders().stream()
                .flatMap(List::stream)
                .mapToInt(Integer::intValue)
                .distinct()
                .sorted()
                .toArray();
        String named = ranks.length == 1 ? "rank " + ranks[0] : ranks.length + " ranks " + Arrays.toString(ranks);
        return "step " + start.step() + " held by " + named;
    }
}
