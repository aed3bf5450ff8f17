// attention_math.cu: the softmax between the two batched products of MATH attention, and its gradient.
//
//   scores  (B, H, Tq, Tk), contiguous. forward: s = q k^T in; p = softmax(scale s + mask) out, in place
//   dropped (B, H, Tq, Tk): overwritten with dropout(p); null when threshold is 0 (then p itself feeds the product)
//   backward: dp = dO v^T in `gradient`; overwritten in place with ds = scale p (dp' - rowsum(p dp')), dp' = mask of
//           dropout * dp. p is what forward left in scores.
//   mask    by four element strides, 0 where broadcast: MASK 1 boolean (u8, nonzero = attend), MASK 2 additive (MASK_TYPE)
// A row that attends to nothing gives p = 0. causal: column c is seen by row r iff c <= r + Tk - Tq; what is not seen is
// neither read nor left unwritten. Dropout: attention.cuh, the same bits as FLASH and EFFICIENT.
// PACKED: (1, H, total, total); a row sees its own sequence alone, whose number is dropout's b; Tq and Tk of dropout's
// numbering are those of the longest, and row and column count from the sequence's first.
// MANY: more batches than a grid takes, in several launches.
// -D  ACTIVATION, CAUSAL 0 | 1, MASK 0 | 1 | 2, MASK_TYPE, PACKED 0 | 1, MANY 0 | 1
// attention_math_forward, attention_math_backward   grid (ceil(Tq / 4), H, B)   block 128 (one warp a row)
#include "attention.cuh"

#ifndef CAUSAL
#define CAUSAL 0
#endif
#ifndef MASK
#define MASK 0
#endif
#ifndef MASK_TYPE
#define MASK_TYPE Activation
#endif
#ifndef PACKED
#define PACKED 0
#endif
#ifndef MANY
#define MANY 0
#endif

#define ATTENTION_MATH(FIELD)                                                                  \
    FIELD(Activation *, scores)                                                                \
    FIELD(Activation *, dropped)                                                               \
    FIELD(Activation *, gradient)                                                              \
    FIELD(const void *, mask)                                                                  \
    FIELD(const int *, cumulative) /* PACKED: sequences + 1 */                                 \
    FIELD(const StepState *, state)                                                            \
    FIELD(i64, maskBatch)                                                                      \
    FIELD(i64, maskHead)                                                                       \
    FIELD(i64, maskRow)                                                                        \
    FIELD(i64, maskColumn)                                                                     \
    FIELD(u64, firstRow) /* MANY: in the numbering of dropout, of this launch's first batch */ \
    FIELD(int, heads)                                                                          \
    FIELD(int, rows) /* of the matrices */                                                     \
    FIELD(int, columns)                                                                        \
    FIELD(int, sequences)                                                                      \
    FIELD(int, queryLength)                                                                    \
    FIELD(int, keyLength)                                                                      \
    ATTENTION_SCALE(FIELD)
HOST_STRUCT(AttentionMath, ATTENTION_MATH)

struct Row {
    i64 at;         // of its first element
    int begin, end; // columns that may be read
    int row;        // of the matrix
    DropoutPlane plane;
    const u8 *bytes;
    const MASK_TYPE *additive;
};

// The sequence that a row is of: the last that begins at or before it.
__device__ __forceinline__ int sequenceOf(const AttentionMath &p, int row) {
    int low = 0, high = p.sequences - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (p.cumulative[middle] <= row) low = middle;
        else high = middle - 1;
    }
    return low;
}

__device__ __forceinline__ Row rowOf(const AttentionMath &p) {
    Row r;
    r.row = blockIdx.x * 4 + (threadIdx.x >> 5);
    r.at = (((i64)blockIdx.z * p.heads + blockIdx.y) * p.rows + r.row) * p.columns;
    const int sequence = PACKED ? sequenceOf(p, r.row) : blockIdx.z;
    r.begin = PACKED ? p.cumulative[sequence] : 0;
    r.end = PACKED ? p.cumulative[sequence + 1] : p.columns;
    if (CAUSAL) r.end = PACKED ? min(r.end, r.row + 1) : max(0, min(p.columns, r.row + p.columns - p.rows + 1));
    r.plane = dropoutPlane(sequence, blockIdx.y, p.heads, p.queryLength, p.keyLength);
    if (MANY) r.plane.firstRow += p.firstRow;
    const i64 mask = blockIdx.z * p.maskBatch + blockIdx.y * p.maskHead + r.row * p.maskRow;
    r.bytes = MASK == 1 ? static_cast<const u8 *>(p.mask) + mask : nullptr;
    r.additive = MASK == 2 ? static_cast<const MASK_TYPE *>(p.mask) + mask : nullptr;
    return r;
}

// May the row read column c?
__device__ __forceinline__ bool sees(const Row &r, int c) {
    return (!PACKED || c >= r.begin) && (!(PACKED || CAUSAL) || c < r.end);
}

// N scores from column c on, in units of log2; -inf where the row may not attend.
template <int N> __device__ __forceinline__ void scoresAt(float (&x)[N], const AttentionMath &p, const Row &r, int c) {
    load<Activation, N>(x, p.scores + r.at + c);
#pragma unroll
    for (int j = 0; j < N; j++) {
        x[j] *= p.scale * LOG2_E;
        if (!sees(r, c + j)) x[j] = -INFINITY_F;
        else if (MASK == 1) x[j] = r.bytes[(c + j) * p.maskColumn] ? x[j] : -INFINITY_F;
        else if (MASK == 2) x[j] = fmaf(toFloat(r.additive[(c + j) * p.maskColumn]), LOG2_E, x[j]);
    }
}

// Multiplies N values of a row from column c on by their dropout factors. A pair of columns shares a draw, if it begins at
// an even place of its sequence.
template <int N> __device__ __forceinline__ void dropColumns(float (&x)[N], const Dropout &drop, const Row &r, int c) {
    constexpr int PAIR = N == 1 || PACKED ? 1 : 2;
#pragma unroll
    for (int j = 0; j < N; j += PAIR) {
        const int column = c + j - r.begin, at = column % 32 / 8 * 2;
        if (PACKED && column < 0) continue;
        const uint4 draw = attentionDraw(drop, r.plane, r.row - r.begin, column / 32, column % 8 / 2);
#pragma unroll
        for (int e = 0; e < PAIR; e++) {
            const int index = at + (PAIR == 1 ? column & 1 : e);
            const u32 word = index / 2 == 0 ? draw.x : index / 2 == 1 ? draw.y : index / 2 == 2 ? draw.z : draw.w;
            const u32 bits = (index & 1) ? word >> 16 : word & 0xffffu;
            x[j + e] = bits >= drop.threshold ? x[j + e] * drop.keepScale : 0.0f;
        }
    }
}

template <int N> __device__ __forceinline__ void forwardRow(const AttentionMath &p) {
    const Row r = rowOf(p);
    if (r.row >= p.rows) return;
    const int lane = threadIdx.x & 31;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    float best = -INFINITY_F, sum = 0.0f;
    for (int c = lane * N + (PACKED ? r.begin / N * N : 0); c < r.end; c += 32 * N) {
        float x[N];
        scoresAt<N>(x, p, r, c);
        float top = best;
#pragma unroll
        for (int j = 0; j < N; j++) top = fmaxf(top, x[j]);
        const float shift = top == -INFINITY_F ? 0.0f : top;
        sum *= exp2Fast(best - shift);
        best = top;
#pragma unroll
        for (int j = 0; j < N; j++) sum += exp2Fast(x[j] - shift);
    }
    const float top = warpMax(best), shift = top == -INFINITY_F ? 0.0f : top;
    sum = warpSum(sum * exp2Fast(best - shift));
    const float factor = sum == 0.0f ? 0.0f : 1.0f / sum; // a NaN sum stays NaN
    for (int c = lane * N; c < p.columns; c += 32 * N) {
        float x[N];
        const bool any = c < r.end && (!PACKED || c + N > r.begin);
        if (any) scoresAt<N>(x, p, r, c);
#pragma unroll
        for (int j = 0; j < N; j++) x[j] = any ? exp2Fast(x[j] - shift) * factor : 0.0f;
        store<Activation, N>(p.scores + r.at + c, x);
        if (p.dropped != nullptr) {
            if (any) dropColumns<N>(x, drop, r, c);
            store<Activation, N>(p.dropped + r.at + c, x);
        }
    }
}

template <int N> __device__ __forceinline__ void backwardRow(const AttentionMath &p) {
    const Row r = rowOf(p);
    if (r.row >= p.rows) return;
    const int lane = threadIdx.x & 31;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    float sum = 0.0f;
    for (int c = lane * N + (PACKED ? r.begin / N * N : 0); c < r.end; c += 32 * N) {
        float x[N], d[N];
        load<Activation, N>(x, p.scores + r.at + c);
        load<Activation, N>(d, p.gradient + r.at + c);
        if (p.threshold) dropColumns<N>(d, drop, r, c);
#pragma unroll
        for (int j = 0; j < N; j++)
            if (sees(r, c + j)) sum = fmaf(x[j], d[j], sum);
    }
    sum = warpSum(sum);
    for (int c = lane * N; c < p.columns; c += 32 * N) {
        float x[N], d[N];
#pragma unroll
        for (int j = 0; j < N; j++) d[j] = 0.0f;
        if (c < r.end && (!PACKED || c + N > r.begin)) {
            load<Activation, N>(x, p.scores + r.at + c);
            load<Activation, N>(d, p.gradient + r.at + c);
            if (p.threshold) dropColumns<N>(d, drop, r, c);
#pragma unroll
            for (int j = 0; j < N; j++) d[j] = sees(r, c + j) ? x[j] * (d[j] - sum) * p.scale : 0.0f;
        }
        store<Activation, N>(p.gradient + r.at + c, d);
    }
}

extern "C" __global__ void __launch_bounds__(128) attention_math_forward(const AttentionMath p) {
    if (p.columns % 8 == 0) forwardRow<8>(p);
    else forwardRow<1>(p);
}

extern "C" __global__ void __launch_bounds__(128) attention_math_backward(const AttentionMath p) {
    if (p.columns % 8 == 0) backwardRow<8>(p);
    else backwardRow<1>(p);
}
