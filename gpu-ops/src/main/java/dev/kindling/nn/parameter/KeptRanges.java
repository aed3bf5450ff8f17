package dev.kindling.nn.parameter;

import dev.kindling.nn.parameter.Parameters.Range;
import java.util.List;

/**
 * The ranges of the flat buffers whose weights a rank updates, in the order in which the buffers that hold them alone do: of
 * moments and, in half precision, of F32 weights.
 *
 * @param ranges of the rank's own part, then of those of which it keeps a copy
 */
public record KeptRanges(List<Range> ranges) {
    /** How many weights the rank updates. */
    public long count() {
        return ranges.stream().mapToLong(Range::length).sum();
    }

    /** The offset of a part of a range in a buffer of {@link #count} values. */
    public long offset(Range part) {
        long before = 0;
        for (Range range : ranges) {
            if (range.offset() <= part.offset() && part.end() <= range.end()) {
                return before + part.offset() - range.offset();
            }
            before += range.length();
        }
        throw new IllegalArgumentException("this rank does not update " + part);
    }
}
