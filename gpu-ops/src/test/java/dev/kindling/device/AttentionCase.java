package dev.kindling.device;

import dev.kindling.reference.ReferenceAttention;
import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.Tensor;

/** Inputs of attention on a device, and what the reference makes of them. */
final class AttentionCase {
    private final OpsFixture f;
    final AttentionInputs inputs;
    final Tensor dOut;
    private final int[] cumulative;
    private final double[] maskValues;

    private AttentionCase(OpsFixture f, AttentionInputs inputs, int[] cumulative, double[] maskValues) {
        this(f, inputs, randomGradient(f, inputs), cumulative, maskValues);
    }

    private AttentionCase(OpsFixture f, AttentionInputs inputs, Tensor dOut, int[] cumulative, double[] maskValues) {
        this.maskValues = maskValues;
        this.f = f;
        this.inputs = inputs;
        this.cumulative = cumulative;
        this.dOut = dOut;
    }

    private static Tensor randomGradient(OpsFixture f, AttentionInputs inputs) {
        Tensor q = inputs.query();
        return f.stridedBthd(q.size(0), q.size(1), q.size(2), inputs.value().size(3), 1);
    }

    /** Given inputs, unscaled. */
    static AttentionCase given(
            OpsFixture f, Tensor query, Tensor key, Tensor value, Tensor dOut, boolean causal, Dropout dropout) {
        AttentionInputs inputs = new AttentionInputs(query, key, value, null, null, causal, 1, dropout);
        return new AttentionCase(f, inputs, dOut, null, null);
    }

    /** Sizes of a dense case. */
    record Sizes(int b, int h, int tq, int tk, int d) {}

    static AttentionCase dense(OpsFixture f, Sizes s, boolean causal, Dropout dropout, double spread) {
        return new AttentionCase(
                f,
                new AttentionInputs(
                        f.stridedBthd(s.b, s.h, s.tq, s.d, spread),
                        f.stridedBthd(s.b, s.h, s.tk, s.d, spread),
                        f.stridedBthd(s.b, s.h, s.tk, s.d, 1),
                        null,
                        null,
                        causal,
                        (float) (1 / Math.sqrt(s.d)),
                        dropout),
                null,
                null);
    }

    static AttentionCase packed(OpsFixture f, int h, int d, int[] cumulative, boolean causal, Dropout dropout) {
        int longest = 0;
        for (int s = 0; s < cumulative.length - 1; s++) {
            longest = Math.max(longest, cumulative[s + 1] - cumulative[s]);
        }
        return packed(f, new Sizes(1, h, longest + 3, longest + 3, d), cumulative, causal, dropout);
    }

    /** @param s with the upper bound of every length */
    static AttentionCase packed(OpsFixture f, Sizes s, int[] cumulative, boolean causal, Dropout dropout) {
        int count = cumulative.length - 1;
        int total = cumulative[count];
        int h = s.h;
        int d = s.d;
        AttentionInputs.Sequences sequences = new AttentionInputs.Sequences(f.integers(cumulative), count, s.tq);
        return new AttentionCase(
                f,
                new AttentionInputs(
                        f.stridedBthd(1, h, total, d, 1),
                        f.stridedBthd(1, h, total, d, 1),
                        f.stridedBthd(1, h, total, d, 1),
                        null,
                        sequences,
                        causal,
                        (float) (1 / Math.sqrt(d)),
                        dropout),
                cumulative,
                null);
    }

    /** The same with a mask that broadcasts; {@code values} are what it adds to the scores, in its own shape. */
    AttentionCase masked(Tensor mask, double[] values) {
        AttentionInputs in = inputs;
        return new AttentionCase(
                f,
                new AttentionInputs(
                        in.query(), in.key(), in.value(), mask, null, in.causal(), in.scale(), in.dropout()),
                null,
                values);
    }

    int heads() {
        return inputs.query().size(1);
    }

    int sequences() {
        return cumulative == null ? inputs.query().size(0) : cumulative.length - 1;
    }

    /** Rows of sequence s of a tensor (B, H, T, ...), head h. */
    Tensor part(Tensor tensor, int s, int h) {
        Tensor head = tensor.select(0, cumulative == null ? s : 0).select(0, h);
        return cumulative == null ? head : head.slice(0, cumulative[s], cumulative[s + 1] - cumulative[s]);
    }

    ReferenceAttention reference(int s, int h) {
        double[][] q = f.rows(part(inputs.query(), s, h));
        double[][] k = f.rows(part(inputs.key(), s, h));
        double[][] v = f.rows(part(inputs.value(), s, h));
        int lengthQ = cumulative == null ? q.length : inputs.sequences().longest();
        int lengthK = cumulative == null ? k.length : inputs.sequences().longest();
        ReferenceDropout dropout =
                new ReferenceDropout(inputs.dropout(), OpsFixture.STEP.seed(), OpsFixture.STEP.stream());
        long first = ((long) s * heads() + h) * lengthQ;
        return new ReferenceAttention(
                q,
                k,
                v,
                inputs.scale(),
                mask(s, h, q.length, k.length),
                (row, column) -> dropout.attention(first + row, column, lengthK));
    }

    private ReferenceAttention.Keep mask(int s, int h, int tq, int tk) {
        ReferenceAttention.Keep causal = inputs.causal() ? ReferenceAttention.causal(tq, tk) : (row, column) -> 0;
        if (inputs.mask() == null) {
            return causal;
        }
        Tensor mask = inputs.mask();
        int perHead = mask.size(2) * mask.size(3);
        int start = (mask.size(0) == 1 ? 0 : s * mask.size(1) * perHead) + (mask.size(1) == 1 ? 0 : h * perHead);
        return (row, column) -> {
            int at = start + (mask.size(2) == 1 ? 0 : row * mask.size(3)) + (mask.size(3) == 1 ? 0 : column);
            return causal.at(row, column) + maskValues[at];
        };
    }
}
