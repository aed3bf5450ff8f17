// flash_dropout.cuh: the decisions of attention.cuh as bits, for the layouts of wgmma. Sixteen words of draws make 32
// bits: both halves of a word clamped to threshold - 1 or threshold, shifted to bits i and 16 + i and summed, less the
// same of threshold - 1.
#pragma once
#include "flash_attention.cuh"

__device__ __forceinline__ float keepScaleOf(const FlashAttention &p) {
    return DROPOUT ? 65536.0f / (float)(65536u - p.threshold) : 1.0f;
}

// Adds the two decisions of a word as bits i and 16 + i; `bits` begins as noBits.
__device__ __forceinline__ u32 noBits(const Dropout &drop) { return (1u - drop.threshold) * 0x10001u * 0xffffu; }
__device__ __forceinline__ void addBits(u32 &bits, u32 word, int i, const Dropout &drop) {
    u32 y;
    asm("max.u16x2 %0, %1, %2;" : "=r"(y) : "r"(word), "r"((drop.threshold - 1) * 0x10001u));
    asm("min.u16x2 %0, %0, %1;" : "+r"(y) : "r"(drop.threshold * 0x10001u));
    bits += y << i;
}
__device__ __forceinline__ void addBits(u32 &bits, const uint4 &draw, int i, int step, const Dropout &drop) {
    addBits(bits, draw.x, i, drop);
    addBits(bits, draw.y, i + step, drop);
    addBits(bits, draw.z, i + 2 * step, drop);
    addBits(bits, draw.w, i + 3 * step, drop);
}

// Of lane 4g + t of an accumulator: rows row0 + 8 half + g, columns column0 + 8j + 2t + e, j below 8, at bit
// 8 half + j + 16 e.
__device__ __forceinline__ u32 drawLane(const Dropout &drop, const DropoutPlane &plane, int row0, int column0) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
    u32 bits = noBits(drop);
#pragma unroll
    for (int i = 0; i < 4; i++)
        addBits(bits, attentionDraw(drop, plane, row0 + i / 2 * 8 + g, column0 / 32 + i % 2, t), i * 4, 1, drop);
    return bits;
}

// The place in a group of 32 whose decision is bit i: 8 j + 2 t + e at bit 4 j + t + 16 e.
__device__ __forceinline__ int placeOf(int i) { return (i & 15) * 2 + (i >> 4); }

// Bit j of lane i becomes bit i of lane j.
__device__ __forceinline__ u32 transposeBits(u32 x) {
    const u32 lane = threadIdx.x & 31;
    u32 y = __shfl_xor_sync(0xffffffffu, x, 16);
    x = __byte_perm(x, y, lane & 16 ? 0x3276 : 0x5410);
    y = __shfl_xor_sync(0xffffffffu, x, 8);
    x = __byte_perm(x, y, lane & 8 ? 0x3715 : 0x6240);
#pragma unroll
    for (u32 k = 4; k > 0; k /= 2) {
        const u32 low = k == 4 ? 0x0f0f0f0fu : k == 2 ? 0x33333333u : 0x55555555u;
        const u32 own = lane & k ? ~low : low;
        y = __shfl_xor_sync(0xffffffffu, x, k);
        x = (x & own) | (__funnelshift_l(y, y, lane & k ? 32 - k : k) & ~own);
    }
    return x;
}

// Of a row and a group of 32 keys: bit i of key placeOf(i).
__device__ __forceinline__ u32 drawRow(const Dropout &drop, const DropoutPlane &plane, int row, int group) {
    u32 bits = noBits(drop);
#pragma unroll
    for (int q = 0; q < 4; q++) addBits(bits, attentionDraw(drop, plane, row, group, q), q, 4, drop);
    return bits;
}

// Masks made of bits i and 16 + i.
struct Kept {
    u32 bits;

    // A selector's digit 8 + b spreads the sign of byte b.
    __device__ __forceinline__ u32 mask(int i, u32 selector) const {
        u32 y;
        asm("prmt.b32 %0, %1, %1, %2;" : "=r"(y) : "r"(bits << (7 - i % 8)), "r"(selector));
        return y;
    }
    // Of a pair of 16-bit values.
    __device__ __forceinline__ u32 pair(int i) const { return mask(i, i < 8 ? 0xaa88 : 0xbb99); }
    // The value of bit i + 16 e, or 0.
    __device__ __forceinline__ float apply(float x, int i, int e) const {
        return __uint_as_float(__float_as_uint(x) & mask(i, (8 + i / 8 + 2 * e) * 0x1111));
    }
};

// Of a word with bit i for place placeOf(i), what lane 4g + t needs: column 8j + 2t + e at bit ofColumn(j) + 16 e.
__device__ __forceinline__ Kept keptOfLane(u32 word) { return Kept{word << (3 - (threadIdx.x & 3))}; }
__device__ __forceinline__ constexpr int ofColumn(int j) { return j * 4 + 3; }
