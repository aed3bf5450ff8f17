// attention_math.cu: the softmax between the two batched products of MATH attention, and its gradient.
//
//   scores  (B, H, Tq, Tk), contiguous. forward: s = q k^T in; p = softmax(scale s + mask) out, in place
//   dropped (B, H, Tq, Tk): overwritten with dropout(p); null when threshold is 0 (then p itself feeds the product)
//   backward: dp = dO v^T in `gradient`; overwritten in place with ds = scale p (dp' - rowsum(p dp')), dp' = mask of
//           dropout * dp. p is what forward left in scores.
//   mask    by four element strides, 0 where broadcast: MASK 1 boolean (u8, nonzero = attend), MASK 2 additive
// A row that attends to nothing gives p = 0. causal: column c is seen by row r iff c <= r + Tk - Tq; what is not seen is
// neither read nor left unwritten. Dropout: attention.cuh, the same bits as FLASH and EFFICIENT.
// -D  ACTIVATION, CAUSAL 0 | 1, MASK 0 | 1 | 2
// attention_math_forward, attention_math_backward   grid (ceil(Tq / 4), H, B)   block 128 (one warp a row)
#include "attention.cuh"

#ifndef CAUSAL
#define CAUSAL 0
#endif
#ifndef MASK
#define MASK 0
#endif

struct AttentionMath {
    Activation *scores, *dropped, *gradient;
    const void *mask;
    const StepState *state;
    i64 maskBatch, maskHead, maskRow, maskColumn;
    int batch, heads, queryLength, keyLength;
    float scale;
    u32 threshold, site;
};

struct Row {
    i64 at;         // of its first element
    int row, seen;  // columns that may be read
    const u8 *bytes;
    const Activation *additive;
};

__device__ __forceinline__ Row rowOf(const AttentionMath &p) {
    Row r;
    r.row = blockIdx.x * 4 + (threadIdx.x >> 5);
    r.at = (((i64)blockIdx.z * p.heads + blockIdx.y) * p.queryLength + r.row) * p.keyLength;
    r.seen = CAUSAL ? max(0, min(p.keyLength, r.row + p.keyLength - p.queryLength + 1)) : p.keyLength;
    const i64 mask = blockIdx.z * p.maskBatch + blockIdx.y * p.maskHead + r.row * p.maskRow;
    r.bytes = MASK == 1 ? static_cast<const u8 *>(p.mask) + mask : nullptr;
    r.additive = MASK == 2 ? static_cast<const Activation *>(p.mask) + mask : nullptr;
    return r;
}

// N scores from column c on, in units of log2; -inf where the row may not attend.
template <int N> __device__ __forceinline__ void scoresAt(float (&x)[N], const AttentionMath &p, const Row &r, int c) {
    load<Activation, N>(x, p.scores + r.at + c);
#pragma unroll
    for (int j = 0; j < N; j++) {
        x[j] *= p.scale * LOG2_E;
        if (CAUSAL && c + j >= r.seen) x[j] = -INFINITY_F;
        else if (MASK == 1) x[j] = r.bytes[(c + j) * p.maskColumn] ? x[j] : -INFINITY_F;
        else if (MASK == 2) x[j] = fmaf(toFloat(r.additive[(c + j) * p.maskColumn]), LOG2_E, x[j]);
    }
}

// Multiplies N values of a row by their dropout factors.
template <int N>
__device__ __forceinline__ void dropColumns(float (&x)[N], const Dropout &drop, const DropoutPlane &plane, int row, int c) {
#pragma unroll
    for (int j = 0; j < N; j += N == 1 ? 1 : 2) {
        const int column = c + j, at = column % 32 / 8 * 2;
        const uint4 draw = attentionDraw(drop, plane, row, column / 32, column % 8 / 2);
#pragma unroll
        for (int e = 0; e < (N == 1 ? 1 : 2); e++) {
            const int index = at + (N == 1 ? column & 1 : e);
            const u32 word = index / 2 == 0 ? draw.x : index / 2 == 1 ? draw.y : index / 2 == 2 ? draw.z : draw.w;
            const u32 bits = (index & 1) ? word >> 16 : word & 0xffffu;
            x[j + e] = bits >= drop.threshold ? x[j + e] * drop.keepScale : 0.0f;
        }
    }
}

template <int N> __device__ __forceinline__ void forwardRow(const AttentionMath &p) {
    const Row r = rowOf(p);
    if (r.row >= p.queryLength) return;
    const int lane = threadIdx.x & 31;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);
    float best = -INFINITY_F, sum = 0.0f;
    for (int c = lane * N; c < r.seen; c += 32 * N) {
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
    for (int c = lane * N; c < p.keyLength; c += 32 * N) {
        float x[N];
        if (c < r.seen) {
            scoresAt<N>(x, p, r, c);
#pragma unroll
            for (int j = 0; j < N; j++) x[j] = exp2Fast(x[j] - shift) * factor;
        } else {
#pragma unroll
            for (int j = 0; j < N; j++) x[j] = 0.0f;
        }
        store<Activation, N>(p.scores + r.at + c, x);
        if (p.dropped != nullptr) {
            dropColumns<N>(x, drop, plane, r.row, c);
            store<Activation, N>(p.dropped + r.at + c, x);
        }
    }
}

template <int N> __device__ __forceinline__ void backwardRow(const AttentionMath &p) {
    const Row r = rowOf(p);
    if (r.row >= p.queryLength) return;
    const int lane = threadIdx.x & 31;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);
    float sum = 0.0f;
    for (int c = lane * N; c < r.seen; c += 32 * N) {
        float x[N], d[N];
        load<Activation, N>(x, p.scores + r.at + c);
        load<Activation, N>(d, p.gradient + r.at + c);
        if (p.threshold) dropColumns<N>(d, drop, plane, r.row, c);
#pragma unroll
        for (int j = 0; j < N; j++)
            if (!CAUSAL || c + j < r.seen) sum = fmaf(x[j], d[j], sum);
    }
    sum = warpSum(sum);
    for (int c = lane * N; c < p.keyLength; c += 32 * N) {
        float x[N], d[N];
#pragma unroll
        for (int j = 0; j < N; j++) d[j] = 0.0f;
        if (c < r.seen) {
            load<Activation, N>(x, p.scores + r.at + c);
            load<Activation, N>(d, p.gradient + r.at + c);
            if (p.threshold) dropColumns<N>(d, drop, plane, r.row, c);
#pragma unroll
            for (int j = 0; j < N; j++) d[j] = !CAUSAL || c + j < r.seen ? x[j] * (d[j] - sum) * p.scale : 0.0f;
        }
        store<Activation, N>(p.gradient + r.at + c, d);
    }
}

extern "C" __global__ void __launch_bounds__(128) attention_math_forward(const AttentionMath p) {
    if (p.keyLength % 8 == 0) forwardRow<8>(p);
    else forwardRow<1>(p);
}

extern "C" __global__ void __launch_bounds__(128) attention_math_backward(const AttentionMath p) {
    if (p.keyLength % 8 == 0) backwardRow<8>(p);
    else backwardRow<1>(p);
}
