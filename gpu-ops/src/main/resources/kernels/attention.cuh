// attention.cuh: what the flash and efficient kernels share: addressing and the dropout of
// attention probabilities, which depends on (b, h, row, col) alone and on no tile shape:
//   block = ((b H + h) Tq + row) ceil(Tk / 32) 4 + (col / 32) 4 + (col % 8) / 2
//   decision = (col % 32) / 8 * 2 + col % 2
// so that one Philox call serves the 8 values that a lane of mma.sync holds of a row's 32-column group.
#pragma once
#include "common.cuh"

// Element strides; the last dimension is contiguous.
struct Strides {
    i64 batch, head, row;
};

// What the structs of the flash and efficient kernels have in common: HOST_STRUCT's fields.
#define ATTENTION_TENSORS(FIELD)  \
    FIELD(const Activation *, q)  \
    FIELD(const Activation *, k)  \
    FIELD(const Activation *, v)  \
    FIELD(Activation *, o)        \
    FIELD(float *, lse)           \
    FIELD(const Activation *, dO) \
    FIELD(Activation *, dq)       \
    FIELD(Activation *, dk)       \
    FIELD(Activation *, dv)
#define ATTENTION_STRIDES(FIELD) \
    FIELD(Strides, qAt)          \
    FIELD(Strides, kAt)          \
    FIELD(Strides, vAt)          \
    FIELD(Strides, oAt)          \
    FIELD(Strides, dOAt)         \
    FIELD(Strides, dqAt)         \
    FIELD(Strides, dkAt)         \
    FIELD(Strides, dvAt)
#define ATTENTION_SIZES(FIELD) \
    FIELD(int, batch)          \
    FIELD(int, heads)          \
    FIELD(int, queryLength)    \
    FIELD(int, keyLength)
#define ATTENTION_SCALE(FIELD) \
    FIELD(float, scale)        \
    FIELD(u32, threshold)      \
    FIELD(u32, site)

// The (Tq, Tk) plane of one head in the numbering of dropout blocks.
struct DropoutPlane {
    u64 firstRow; // (b H + h) Tq
    u32 groups;   // ceil(Tk / 32)
};

__device__ __forceinline__ DropoutPlane dropoutPlane(int b, int h, int heads, int queries, int keys) {
    DropoutPlane plane;
    plane.firstRow = ((u64)b * heads + h) * queries;
    plane.groups = (u32)(keys + 31) / 32;
    return plane;
}

__device__ __forceinline__ u64 dropoutBlock(const DropoutPlane &plane, int row, int group, int q) {
    return (plane.firstRow + row) * plane.groups * 4 + group * 4 + q;
}
__device__ __forceinline__ uint4 attentionDraw(
    const Dropout &drop, const DropoutPlane &plane, int row, int group, int q) {
    return philox(drop.seed, dropoutBlock(plane, row, group, q), drop.site, drop.stream);
}

// Drops scores s[.][nt][half * 2 + e] of row firstRow + half * 8 + g, column column0 + nt * 8 + 2t + e; the factor of
// the kept ones is left to the caller. column0 is a multiple of 32.
template <int NT>
__device__ __forceinline__ void dropRows(
    float (&s)[NT][4], const Dropout &drop, const DropoutPlane &plane, int firstRow, int column0) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
        for (int group = 0; group < NT / 4; group++) {
            const uint4 draw = attentionDraw(drop, plane, firstRow + half * 8 + g, column0 / 32 + group, t);
#pragma unroll
            for (int i = 0; i < 8; i++)
                if (decision(draw, i) < drop.threshold) s[group * 4 + i / 2][half * 2 + (i & 1)] = 0.0f;
        }
}

// The transposed layout: a lane holds key rows key0 + kt * 16 + half * 8 + g (KT tiles of 16) and query columns
// row0 + 2t + e. Bit kt * 4 + half * 2 + e of the result: is it kept? A lane draws for one of its two query rows
// and swaps halves with the lane of the neighbouring key row.
template <int KT>
__device__ __forceinline__ u32 keptBits(const Dropout &drop, const DropoutPlane &plane, int key0, int row0) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, odd = g & 1;
    const uint4 draw = attentionDraw(drop, plane, row0 + t * 2 + odd, key0 / 32, g >> 1);
    const u32 low0 = __byte_perm(draw.x, draw.y, 0x5410), low1 = __byte_perm(draw.z, draw.w, 0x5410);
    const u32 high0 = __byte_perm(draw.x, draw.y, 0x7632), high1 = __byte_perm(draw.z, draw.w, 0x7632);
    const u32 keep0 = odd ? high0 : low0, keep1 = odd ? high1 : low1;
    const u32 other0 = __shfl_xor_sync(0xffffffffu, odd ? low0 : high0, 4);
    const u32 other1 = __shfl_xor_sync(0xffffffffu, odd ? low1 : high1, 4);
    const u32 even0 = odd ? other0 : keep0, even1 = odd ? other1 : keep1; // row 2t: 4 decisions
    const u32 odd0 = odd ? keep0 : other0, odd1 = odd ? keep1 : other1;   // row 2t + 1
    const int shift = KT == 1 ? (key0 / 16) & 1 : 0;                      // which half of the 32-column group
    u32 bits = 0;
#pragma unroll
    for (int i = 0; i < KT * 2; i++) {
        const int at = i + shift * 2;
        const u32 w0 = at < 2 ? even0 : even1, w1 = at < 2 ? odd0 : odd1;
        const u32 d0 = (at & 1) ? w0 >> 16 : w0 & 0xffffu, d1 = (at & 1) ? w1 >> 16 : w1 & 0xffffu;
        bits |= (d0 >= drop.threshold ? 1u : 0u) << (i * 2);
        bits |= (d1 >= drop.threshold ? 1u : 0u) << (i * 2 + 1);
    }
    return bits;
}
