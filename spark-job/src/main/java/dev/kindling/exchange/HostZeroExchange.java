package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Operands;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.model.FlatTarget;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.Optional;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * ZeRO over host memory: the sums are reduce-scattered, the updated weights all-gathered. Every rank owns one slice of the
 * flat buffers ({@link dev.kindling.nn.parameter.OptimizerShard.Cut#SLICES}).
 */
final class HostZeroExchange extends HostGradientExchange implements ZeroExchange {
    /** Floats of all ranks that are gathered at a time. */
    private static final int GATHERED = 1 << 24;

    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final Range own;
    /** Where the slice of each rank starts, and the end. */
    private final int[] bounds;

    HostZeroExchange(
            AllReduce allReduce,
            Gpt.DeviceArena memory,
            Parameters parameters,
            GradientSum sum,
            Optional<GradientResidual> residual) {
        super(allReduce, memory, parameters, sum, residual);
        device = memory.device();
        this.allReduce = allReduce;
        this.parameters = parameters;
        own = parameters.own().get(0);
        bounds = new int[allReduce.worldSize() + 1];
        for (int rank = 0; rank < allReduce.worldSize(); rank++) {
            bounds[rank + 1] = Math.toIntExact(parameters.ranges(rank).get(0).end());
        }
    }

    @Override
    Range wanted(Parameters of) {
        return of.keepsCopies() ? super.wanted(of) : of.own().get(0);
    }

    @Override
    long submit(SumOrder rounded, Operands from, Range range) {
        return parameters.keepsCopies()
                ? super.submit(rounded, from, range)
                : allReduce.submitScatter(
                        rounded, from, Math.toIntExact(range.offset()), Math.toIntExact(range.length()), bounds);
    }

    private static Tensor slice(Tensor flat, Range range) {
        return flat.slice(0, range.offset(), range.length());
    }

    /**
     * From the partial sums of all slices in their order. On the CPU they are the partial sums of one pass, so that the
     * weights have the bits of {@code train.zero: 0}; on a GPU the norm may differ from it in the last bit.
     */
    @Override
    public void clip(GradientClip clip, Tensor gradients) {
        double[][] squares = allReduce.allGather(clip.ops().squares(slice(gradients, own)));
        double[] inOrder = Stream.of(squares).flatMapToDouble(DoubleStream::of).toArray();
        clip.ops().gradientNorm(inOrder, clip.maxNorm());
    }

    @Override
    public void awaitWeights() {
        Tensor working = parameters.working();
        Optional<float[]> inPlace = device.hostArray(working);
        if (inPlace.isPresent()) {
            awaiting(() -> allReduce.allGather(inPlace.get(), bounds));
            return;
        }
        // Rounded by the device, by way of the gradients, which are no longer needed.
        Tensor whole = parameters.gradients();
        forEachPiece((at, pieces) -> {
            float[] all = new float[pieces[allReduce.worldSize()]];
            FloatBuffer part = piece(all, pieces, allReduce.rank());
            device.download(
                    parameters.master(new Range(own.offset() + Math.min(at, own.length()), part.remaining())), part);
            awaiting(() -> allReduce.allGather(all, pieces));
            for (int r = 0; r < allReduce.worldSize(); r++) {
                FloatBuffer ofRank = piece(all, pieces, r);
                device.upload(ofRank, whole.slice(0, (long) bounds[r] + at, ofRank.remaining()));
            }
        });
        device.ops().copy(whole, working);
    }

    private static FloatBuffer piece(float[] all, int[] pieces, int rank) {
        return FloatBuffer.wrap(all, pieces[rank], pieces[rank + 1] - pieces[rank]);
    }

    /** What is gathered at a time: pieces of all ranks' slices, {@code at} floats into each, side by side. */
    private interface Pieces {
        void gather(int at, int[] pieces);
    }

    private void forEachPiece(Pieces action) {
        int most = Math.max(1, GATHERED / allReduce.worldSize());
        for (int at = 0; at < longest(); at += most) {
            int[] pieces = new int[bounds.length];
            for (int r = 0; r < allReduce.worldSize(); r++) {
                pieces[r + 1] = pieces[r] + Math.min(most, Math.max(0, bounds[r + 1] - bounds[r] - at));
            }
            action.gather(at, pieces);
        }
    }

    /** The weights travel over the hosts, between the work of two parts of the device. */
    @Override
    public boolean updatesOnDevice() {
        return false;
    }

    @Override
    public void collect(Tensor ofOwn, Optional<FlatTarget> target) {
        forEachPiece((at, pieces) -> {
            float[] part = new float[pieces[allReduce.rank() + 1] - pieces[allReduce.rank()]];
            device.download(ofOwn.slice(0, Math.min(at, own.length()), part.length), part);
            float[] all = new float[target.isPresent() ? pieces[allReduce.worldSize()] : 0];
            allReduce.gather(part, all, pieces);
            for (int r = 0; r < allReduce.worldSize() && target.isPresent(); r++) {
                target.get().take((long) bounds[r] + at, piece(all, pieces, r));
            }
        });
    }

    /** The length of the longest slice. */
    private int longest() {
        return IntStream.range(0, allReduce.worldSize())
                .map(r -> bounds[r + 1] - bounds[r])
                .max()
                .orElseThrow();
    }
}
