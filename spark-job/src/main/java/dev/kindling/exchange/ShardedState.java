package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.TensorReader;
import dev.kindling.model.FlatValues;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.stream.IntStream;

/**
 * State that is sharded over the ranks, read on rank 0 as if it were whole: what is asked for there, every rank sends its
 * part of, so that nobody needs room for more than a piece. Rank 0 reads {@link #values} and closes them; the others
 * {@link #serve} meanwhile. Training waits until then.
 */
public final class ShardedState {
    private static final int END = -1;

    private final AllReduce allReduce;
    private final Parameters parameters;
    private final List<Tensor> own;
    private final TensorReader reader;
    private boolean ended;

    /**
     * Of the weights that each rank updates.
     *
     * @param own of this rank, of {@link Parameters#kept}, or the working weights, which every rank has; as many on every
     *     rank
     * @param reader of this rank's device, which follows its work
     */
    public ShardedState(AllReduce allReduce, Parameters parameters, List<Tensor> own, TensorReader reader) {
        this.allReduce = allReduce;
        this.parameters = parameters;
        this.own = List.copyOf(own);
        this.reader = reader;
    }

    /** On rank 0: the tensors. To close any of them ends the reading of all. */
    public List<FlatValues> values() {
        return IntStream.range(0, own.size())
                .mapToObj(index -> (FlatValues) new Values(index))
                .toList();
    }

    private final class Values implements FlatValues {
        private final int index;

        Values(int index) {
            this.index = index;
        }

        @Override
        public void read(long offset, FloatBuffer to) {
            if (isWhole(index)) {
                reader.read(own.get(index).slice(0, offset, to.remaining()), to);
                return;
            }
            Range piece = new Range(offset, to.remaining());
            allReduce.broadcast(order(index, piece));
            float[] all = new float[to.remaining()];
            gather(index, piece, all);
            int at = 0;
            for (int rank = 0; rank < allReduce.worldSize(); rank++) {
                for (Range range : parameters.ranges(rank)) {
                    Range part = piece.intersect(range);
                    int length = (int) part.length();
                    if (length > 0) {
                        to.put(to.position() + (int) (part.offset() - offset), all, at, length);
                        at += length;
                    }
                }
            }
        }

        @Override
        public void close() {
            end();
        }
    }

    private boolean isWhole(int index) {
        return own.get(index) == parameters.working();
    }

    private synchronized void end() {
        if (!ended) {
            ended = true;
            allReduce.broadcast(order(END, new Range(0, 0)));
        }
    }

    /** On the other ranks: sends what rank 0 asks for, until it has ended. */
    public void serve() {
        while (true) {
            ByteBuffer order = ByteBuffer.wrap(allReduce.broadcast(new byte[0]));
            int index = order.getInt();
            if (index == END) {
                return;
            }
            gather(index, new Range(order.getLong(), order.getInt()), new float[0]);
        }
    }

    private static byte[] order(int index, Range piece) {
        return ByteBuffer.allocate(16)
                .putInt(index)
                .putLong(piece.offset())
                .putInt((int) piece.length())
                .array();
    }

    /** @param all on rank 0: the parts of all ranks, one after another */
    private void gather(int index, Range piece, float[] all) {
        int[] bounds = new int[allReduce.worldSize() + 1];
        for (int rank = 0; rank < allReduce.worldSize(); rank++) {
            int length = parameters.ranges(rank).stream()
                    .mapToInt(range -> (int) piece.intersect(range).length())
                    .sum();
            bounds[rank + 1] = bounds[rank] + length;
        }
        FloatBuffer part = FloatBuffer.allocate(bounds[allReduce.rank() + 1] - bounds[allReduce.rank()]);
        for (Range range : parameters.own()) {
            Range wanted = piece.intersect(range);
            if (wanted.length() > 0) {
                Tensor tensor = own.get(index).slice(0, parameters.kept().offset(wanted), wanted.length());
                FloatBuffer to = part.slice(part.position(), (int) wanted.length());
                reader.read(tensor, to);
                part.position(part.position() + (int) wanted.length());
            }
        }
        allReduce.gather(part.array(), all, bounds);
    }
}
