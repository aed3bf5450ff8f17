package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Copies of tensors that the fused attention kernels cannot read in place. The kernels load 16 bytes at a time, so pointers
 * and strides must be multiples of 16 bytes. A model's tensors always are; others are copied to and from scratch memory.
 */
final class AlignedViews {
    private static final int BYTES = 16;

    private final CudaContext context;
    private final CudaElementwise elementwise;
    private final List<Tensor[]> results = new ArrayList<>();
    private long used;

    /** @param offset of the copies in the scratch memory, which must have {@link #bytes} more */
    AlignedViews(CudaContext context, CudaElementwise elementwise, long offset) {
        this.context = context;
        this.elementwise = elementwise;
        this.used = offset;
    }

    /** Bytes of scratch memory for copies of those of {@code views} that need one. */
    static long bytes(Tensor... views) {
        long sum = 0;
        for (Tensor view : views) {
            sum += isAligned(view) ? 0 : size(view);
        }
        return sum;
    }

    private static long size(Tensor view) {
        return CudaMemory.aligned(view.count() * view.dtype().bytes());
    }

    private static boolean isAligned(Tensor view) {
        int size = view.dtype().bytes();
        boolean aligned = CudaBuffer.address(view) % BYTES == 0 && view.stride(-1) == 1;
        for (int d = 0; d < view.shape().rank() - 1; d++) {
            aligned &= view.size(d) <= 1 || view.stride(d) * size % BYTES == 0;
        }
        return aligned;
    }

    /** A view to read. */
    Tensor in(Tensor view) {
        if (isAligned(view)) {
            return view;
        }
        Tensor copy = next(view);
        elementwise.copy(view, copy);
        return copy;
    }

    /** The inputs with aligned query, key and value. */
    AttentionInputs in(AttentionInputs inputs) {
        return new AttentionInputs(
                in(inputs.query()),
                in(inputs.key()),
                in(inputs.value()),
                inputs.mask(),
                inputs.sequences(),
                inputs.causal(),
                inputs.scale(),
                inputs.dropout());
    }

    /** A view to overwrite; {@link #finish} brings the values home. */
    Tensor out(Tensor view) {
        if (isAligned(view)) {
            return view;
        }
        Tensor copy = next(view);
        results.add(new Tensor[] {copy, view});
        return copy;
    }

    AttentionInputs.Gradients gradients(AttentionInputs.Gradients g) {
        return new AttentionInputs.Gradients(in(g.dOut()), out(g.dQuery()), out(g.dKey()), out(g.dValue()));
    }

    void finish() {
        for (Tensor[] pair : results) {
            elementwise.copy(pair[0], pair[1]);
        }
    }

    private Tensor next(Tensor view) {
        Tensor copy = context.scratchTensor(view.dtype(), view.shape(), used);
        used += size(view);
        return copy;
    }
}
