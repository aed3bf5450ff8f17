package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.Device;
import dev.kindling.model.FlatTarget;
import dev.kindling.model.FlatValues;
import dev.kindling.model.Snapshot;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.AdamW;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/**
 * The parts of a sharded state (ZeRO) that a process has, its own and its copies of others', on the host: its next rank may
 * be another one, whose model has other parts. For each part F32 weights and both moments, in the order of its ranges.
 */
public final class HeldParts implements AutoCloseable {
    /** Floats that travel at a time: 4 MiB. */
    private static final int PIECE = 1 << 20;

    /**
     * What there is of a model.
     *
     * @param fp8History of FP8's scales, which every rank has as a whole; empty in other precisions
     */
    public record State(Parameters parameters, AdamW adamW, List<Float> fp8History) {}

    /** By the rank whose part it is. */
    private final Map<Integer, Snapshot> parts = new HashMap<>();

    private final List<Float> fp8History;

    /** Of a process that has none. */
    public HeldParts() {
        fp8History = List.of();
    }

    /** Copies the parts of a model that keeps those of {@code shard}. */
    public HeldParts(Device device, OptimizerShard shard, State state) {
        fp8History = state.fp8History();
        Parameters parameters = state.parameters();
        AdamW adamW = state.adamW();
        try {
            for (int part : shard.kept()) {
                List<Range> ranges = parameters.ranges(part);
                Snapshot snapshot =
                        Snapshot.onHost(ranges.stream().mapToLong(Range::length).sum());
                parts.put(part, snapshot);
                long at = 0;
                for (Range range : ranges) {
                    long offset = parameters.kept().offset(range);
                    take(device, snapshot.weights(), at, parameters.master(range));
                    take(device, snapshot.first(), at, adamW.firstMoments().slice(0, offset, range.length()));
                    take(device, snapshot.second(), at, adamW.secondMoments().slice(0, offset, range.length()));
                    at += range.length();
                }
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private static void take(Device device, FlatValues into, long at, Tensor values) {
        ((FlatTarget) into).take(device, at, values);
    }

    /**
     * Brings all parts to a model: all weights, and the moments that its rank keeps. All ranks call it together.
     *
     * @param holders of each part, one or more ranks
     * @return the history of FP8's scales
     */
    public List<Float> handOver(AllReduce allReduce, List<List<Integer>> holders, Parameters parameters, AdamW adamW) {
        for (int part = 0; part < holders.size(); part++) {
            int holder = holders.get(part).get(0);
            Snapshot own = allReduce.rank() == holder ? parts.get(part) : null;
            long at = 0;
            for (Range range : parameters.ranges(part)) {
                for (long done = 0; done < range.length(); done += PIECE) {
                    int length = (int) Math.min(PIECE, range.length() - done);
                    Piece piece = new Piece(allReduce, holder, at + done, length);
                    long offset = range.offset() + done;
                    parameters.set(offset, piece.of(own == null ? null : own.weights()));
                    parameters.setKept(adamW.firstMoments(), offset, piece.of(own == null ? null : own.first()));
                    parameters.setKept(adamW.secondMoments(), offset, piece.of(own == null ? null : own.second()));
                }
                at += range.length();
            }
        }
        double[][] histories = allReduce.allGather(
                fp8History.stream().mapToDouble(Float::doubleValue).toArray());
        return DoubleStream.of(histories[holders.get(0).get(0)])
                .mapToObj(value -> (float) value)
                .toList();
    }

    /** A range of a part, which one rank sends to all. */
    private record Piece(AllReduce allReduce, int holder, long at, int length) {
        FloatBuffer of(FlatValues held) {
            FloatBuffer values = FloatBuffer.allocate(length);
            if (held != null) {
                held.read(at, values);
            }
            int[] bounds = new int[allReduce.worldSize() + 1];
            for (int rank = holder; rank < allReduce.worldSize(); rank++) {
                bounds[rank + 1] = length;
            }
            allReduce.allGather(values.array(), bounds);
            return values;
        }
    }

    @Override
    public void close() {
        parts.values().forEach(Snapshot::close);
        parts.clear();
    }
}
