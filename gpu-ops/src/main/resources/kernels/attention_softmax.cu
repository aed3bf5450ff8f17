// attention_softmax.cu: the middle of MATH attention, in place over the scores, one row a block, for what
// attention_math.cu does not take: packed sequences, additive masks of another type.
//
//   forward   scores (B, H, Tq, Tk) = q k^T become probabilities = softmax(scale scores + mask) over the visible
//             columns, 0 elsewhere and in rows that see nothing; dropped, if not null, = dropout(probabilities)
//   backward  dScores holds the gradient of the dropped probabilities dP and becomes scale P (dP - rowsum(P dP))
//   mask      by four element strides, 0 where it is broadcast: MASK 1 boolean (u8, nonzero = attend), MASK 2 additive
//             (MASK_TYPE)
// Causal is aligned bottom right: column c is seen by row r iff c <= r + Tk - Tq. Packed sequences: cumulative not null,
// B = 1, (H, total, total); a row sees its own sequence alone, of which queryLength is the longest.
// Dropout depends on (b, h, row, col) alone, see Dropout.java; packed, b is the sequence, row and col count within it.
//
// -D  ACTIVATION, VECTOR (1, 2, 4 or 8, divides Tk), MASK 0 | 1 | 2, MASK_TYPE, CAUSAL 0 | 1, DROPOUT 0 | 1
// attention_softmax_forward, attention_softmax_backward   grid (B H Tq)   block 128
#include "common.cuh"

#ifndef VECTOR
#define VECTOR 8
#endif
#ifndef MASK
#define MASK 0
#endif
#ifndef MASK_TYPE
#define MASK_TYPE Activation
#endif
#ifndef CAUSAL
#define CAUSAL 0
#endif
#ifndef DROPOUT
#define DROPOUT 0
#endif

struct AttentionSoftmax {
    Activation *scores;      // forward: scores, then probabilities; backward: dScores
    Activation *other;       // forward: dropped or null; backward: probabilities, read
    const void *mask;
    const int *cumulative;
    const StepState *state;
    i64 maskBatch, maskHead, maskRow, maskColumn;
    int heads, rows, columns;         // of the matrices
    int sequences;                    // packed
    int queryLength, keyLength;       // in the numbering of dropout
    float scale;
    u32 threshold, site;
};

constexpr int THREADS = 128, WARPS = THREADS / 32;

struct Row {
    i64 at;               // of the row's first element
    int batch, head, row; // of the matrix
    int begin, end;       // the columns that it may see, before the mask
    int sequence, first;  // for dropout: b, and the row and column that count as 0
};

__device__ __forceinline__ Row rowOf(const AttentionSoftmax &p) {
    Row r;
    const i64 index = blockIdx.x;
    r.at = index * p.columns;
    r.row = (int)(index % p.rows);
    r.head = (int)(index / p.rows % p.heads);
    r.batch = (int)(index / p.rows / p.heads);
    if (p.cumulative == nullptr) {
        r.sequence = r.batch;
        r.first = r.begin = 0;
        r.end = CAUSAL ? min(p.columns, r.row + p.columns - p.rows + 1) : p.columns;
        return r;
    }
    int low = 0, high = p.sequences - 1; // the last sequence that starts at or before the row
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (p.cumulative[middle] <= r.row) low = middle;
        else high = middle - 1;
    }
    r.sequence = low;
    r.first = r.begin = p.cumulative[low];
    r.end = CAUSAL ? r.row + 1 : p.cumulative[low + 1];
    return r;
}

// scale score + mask; -inf where the column is not seen.
__device__ __forceinline__ float maskedScore(const AttentionSoftmax &p, const Row &r, int column, float score) {
    if (column < r.begin || column >= r.end) return -INFINITY_F;
    float x = score * p.scale;
    if (MASK) {
        const i64 at = r.batch * p.maskBatch + r.head * p.maskHead + r.row * p.maskRow + column * p.maskColumn;
        if (MASK == 1) x = static_cast<const u8 *>(p.mask)[at] ? x : -INFINITY_F;
        else x += toFloat(static_cast<const MASK_TYPE *>(p.mask)[at]);
    }
    return x;
}

__device__ __forceinline__ void maskedScores(float (&x)[VECTOR], const AttentionSoftmax &p, const Row &r, int column) {
    load<Activation, VECTOR>(x, p.scores + r.at + column);
#pragma unroll
    for (int j = 0; j < VECTOR; j++) x[j] = maskedScore(p, r, column + j, x[j]);
}

// The factor of dropout: 0 or the kept scale.
__device__ __forceinline__ float kept(const AttentionSoftmax &p, const Row &r, const Dropout &drop, int column) {
    if (!DROPOUT || column < r.begin || column >= r.end) return 1.0f;
    const int row = r.row - r.first, col = column - r.first;
    const u64 groups = (u64)((p.keyLength + 31) / 32);
    const u64 plane = ((u64)r.sequence * p.heads + r.head) * p.queryLength + row;
    const uint4 draw = philox(drop.seed, (plane * groups + col / 32) * 4 + (col % 8) / 2, drop.site, drop.stream);
    return decision(draw, (col % 32) / 8 * 2 + (col & 1)) >= drop.threshold ? drop.keepScale : 0.0f;
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_softmax_forward(const AttentionSoftmax p) {
    __shared__ float scratch[WARPS];
    const Row r = rowOf(p);
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    float best = -INFINITY_F;
    for (int c = threadIdx.x * VECTOR; c < p.columns; c += THREADS * VECTOR) {
        if (c + VECTOR <= r.begin || c >= r.end) continue;
        float x[VECTOR];
        maskedScores(x, p, r, c);
#pragma unroll
        for (int j = 0; j < VECTOR; j++) best = fmaxf(best, x[j]);
    }
    best = blockMax<WARPS>(best, scratch);
    // Subtracted first: masks of -1e30 leave no digits for a product.
    const float shift = best == -INFINITY_F ? 0.0f : best;
    float sum = 0.0f;
    for (int c = threadIdx.x * VECTOR; c < p.columns; c += THREADS * VECTOR) {
        if (c + VECTOR <= r.begin || c >= r.end) continue;
        float x[VECTOR];
        maskedScores(x, p, r, c);
#pragma unroll
        for (int j = 0; j < VECTOR; j++) sum += exp2Fast((x[j] - shift) * LOG2_E);
    }
    sum = blockSum<WARPS>(sum, scratch);
    const float factor = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (int c = threadIdx.x * VECTOR; c < p.columns; c += THREADS * VECTOR) {
        const bool seen = c + VECTOR > r.begin && c < r.end;
        float x[VECTOR], y[VECTOR];
        if (seen) maskedScores(x, p, r, c);
#pragma unroll
        for (int j = 0; j < VECTOR; j++) {
            x[j] = seen ? exp2Fast((x[j] - shift) * LOG2_E) * factor : 0.0f;
            y[j] = DROPOUT && seen ? x[j] * kept(p, r, drop, c + j) : x[j];
        }
        store<Activation, VECTOR>(p.scores + r.at + c, x);
        if (p.other != nullptr) store<Activation, VECTOR>(p.other + r.at + c, y);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_softmax_backward(const AttentionSoftmax p) {
    __shared__ float scratch[WARPS];
    const Row r = rowOf(p);
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    float sum = 0.0f;
    for (int c = threadIdx.x * VECTOR; c < p.columns; c += THREADS * VECTOR) {
        if (c + VECTOR <= r.begin || c >= r.end) continue;
        float d[VECTOR], q[VECTOR];
        load<Activation, VECTOR>(d, p.scores + r.at + c);
        load<Activation, VECTOR>(q, p.other + r.at + c);
#pragma unroll
        for (int j = 0; j < VECTOR; j++) sum += q[j] == 0.0f ? 0.0f : q[j] * (d[j] * kept(p, r, drop, c + j));
    }
    sum = blockSum<WARPS>(sum, scratch);
    for (int c = threadIdx.x * VECTOR; c < p.columns; c += THREADS * VECTOR) {
        const bool seen = c + VECTOR > r.begin && c < r.end;
        float d[VECTOR], q[VECTOR];
        if (seen) {
            load<Activation, VECTOR>(d, p.scores + r.at + c);
            load<Activation, VECTOR>(q, p.other + r.at + c);
        }
#pragma unroll
        for (int j = 0; j < VECTOR; j++) // 0 P stays 0, whatever the gradient of an unseen score is
            d[j] = !seen || q[j] == 0.0f ? 0.0f : p.scale * q[j] * (d[j] * kept(p, r, drop, c + j) - sum);
        store<Activation, VECTOR>(p.scores + r.at + c, d);
    }
}
