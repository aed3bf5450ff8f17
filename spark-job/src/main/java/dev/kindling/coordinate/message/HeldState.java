package dev.kindling.coordinate.message;

import java.util.List;

/**
 * What an executor process still holds of the job when it joins a generation: the state after the last step that it has
 * finished, or some parts of it.
 *
 * @param step the number of steps done; 0 where it holds nothing
 * @param parts into how many parts the state is divided, all of which are needed: 1 where every rank has all of it
 * @param held the parts that are here, counted from 0
 */
public record HeldState(long step, int parts, List<Integer> held) {
    public static final HeldState NOTHING = new HeldState(0, 1, List.of());

    public HeldState {
        held = List.copyOf(held);
    }
}
