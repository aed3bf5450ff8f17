package dev.kindling.device.cpu;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Dropout;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.flash.FlashBackward;
import dev.kindling.device.cpu.flash.FlashForward;
import dev.kindling.device.cpu.flash.FlashHead;
import dev.kindling.device.cpu.flash.FlashPanels;
import dev.kindling.device.cpu.flash.FlashTiles;
import dev.kindling.device.cpu.rows.CpuDropout;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;
import java.util.Optional;

/**
 * Attention with an online softmax in fp32, with O(T) memory per thread. Heads are divided among threads; forward also
 * divides the query rows where there are few heads. A row's result does not depend on the thread that computes it.
 */
public final class CpuFlashAttention implements FusedAttention {
    private static final int MOST_DEPTH = 256;

    private final CpuThreads threads;
    private final CpuStep step;
    private final FlashForward[] forwards;
    private final FlashBackward[] backwards;
    private final int stripRows;

    CpuFlashAttention(CpuLoops loops, CpuStep step, FlashTiles tiles) {
        this.threads = loops.threads();
        this.step = step;
        stripRows = tiles.rows();
        forwards = new FlashForward[threads.threads()];
        backwards = new FlashBackward[threads.threads()];
        for (int i = 0; i < forwards.length; i++) {
            forwards[i] = new FlashForward(tiles, loops.kernels());
            backwards[i] = new FlashBackward(tiles, loops.kernels());
        }
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        if (shape.dtype() != DType.F32) {
            return Optional.of("data type " + shape.dtype() + "; FLASH on the CPU takes F32");
        }
        if (shape.headDim() > MOST_DEPTH) {
            return Optional.of("head dimension " + shape.headDim() + " > " + MOST_DEPTH);
        }
        return FusedAttention.whyNotFlash(shape);
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        check(inputs, out, logSumExp);
        int heads = FlashHead.count(inputs);
        int longest = inputs.shape().queryLength();
        int parts = heads >= 4 * threads.threads() ? 1 : threads.threads();
        int perPart = FlashPanels.roundUp((longest + parts - 1) / parts, stripRows);
        threads.ranges(heads * parts, (worker, from, to) -> {
            CpuDropout dropout = dropout(inputs.dropout());
            for (int item = from; item < to; item++) {
                FlashHead head = FlashHead.of(inputs, item / parts);
                int first = item % parts * perPart;
                int end = Math.min(head.tq(), first + perPart);
                if (first < end) {
                    forwards[worker].run(head, first, end, dropout, out, logSumExp);
                }
            }
        });
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients) {
        check(inputs, out, logSumExp);
        TensorChecks.sameShape(out, gradients.dOut());
        TensorChecks.sameShape(inputs.query(), gradients.dQuery());
        TensorChecks.sameShape(inputs.key(), gradients.dKey());
        TensorChecks.sameShape(inputs.value(), gradients.dValue());
        threads.ranges(FlashHead.count(inputs), (worker, from, to) -> {
            CpuDropout dropout = dropout(inputs.dropout());
            for (int item = from; item < to; item++) {
                FlashHead head = FlashHead.of(inputs, item);
                backwards[worker].run(head, dropout, out, logSumExp, gradients);
            }
        });
    }

    private CpuDropout dropout(Dropout dropout) {
        return dropout.active() ? new CpuDropout(dropout, step) : null;
    }

    private void check(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        whyNot(inputs.shape()).ifPresent(reason -> {
            throw new IllegalArgumentException("FLASH cannot run " + inputs.shape() + ": " + reason);
        });
        int b = inputs.query().size(0);
        int h = inputs.query().size(1);
        int tq = inputs.query().size(2);
        int tk = inputs.key().size(2);
        TensorChecks.type(DType.F32, inputs.key(), inputs.value(), out, logSumExp);
        TensorChecks.shape(inputs.key(), b, h, tk, inputs.query().size(3));
        TensorChecks.shape(inputs.value(), b, h, tk, inputs.value().size(3));
        TensorChecks.shape(out, b, h, tq, inputs.value().size(3));
        TensorChecks.shape(logSumExp, b, h, tq);
        if (inputs.sequences() != null && (b != 1 || tq != tk)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "packed sequences need B = 1 and Tq = Tk, not %s and %s",
                    inputs.query(),
                    inputs.key()));
        }
    }
}
