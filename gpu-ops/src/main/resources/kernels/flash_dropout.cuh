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
    const u64 first = dropoutBlock(plane, row0 + g, column0 / 32, t), eightRows = (u64)plane.groups * 32;
    u32 bits = noBits(drop);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const u64 block = first + i / 2 * eightRows + i % 2 * 4;
        addBits(bits, philox(drop.seed, block, drop.site, drop.stream), i * 4, 1, drop);
    }
    return bits;
}

// Which scores of a tile of 64 rows and 64 columns are kept, drawn by the forward pass for backward, too, as Philox takes
// longer than the products: the words of drawLane, one a thread of a warpgroup. (H, statsRows / 64, ceil(Tk / 64)) tiles,
// of which those that causal hides are never written.
constexpr int KEPT_WORDS = 128;
__device__ __forceinline__ u32 *keptTile(
    const FlashAttention &p, const Sequence &seq, int b, int h, int row0, int key0) {
    const i64 row = ((i64)h * p.statsRows + statsStart(p, b, seq) + row0) / 64;
    return p.kept + (row * ((p.keyLength + 63) / 64) + key0 / 64) * KEPT_WORDS;
}

// The bits of one lane as in drawLane: is a value of an accumulator kept?
struct Kept {
    u32 bits;

    // A mask of a pair of 16-bit values, those of bits i and 16 + i: each half of the result is the sign of a byte, spread.
    __device__ __forceinline__ u32 pair(int i) const {
        u32 mask;
        asm("prmt.b32 %0, %1, %1, %2;" : "=r"(mask) : "r"(bits << (7 - i % 8)), "r"(i < 8 ? 0xaa88 : 0xbb99));
        return mask;
    }
    // What is not kept becomes 0. In the order of the bits, which the compiler then turns into predicates by the byte.
    __device__ __forceinline__ void drop(float (&x)[8][4]) const {
#pragma unroll
        for (int i = 0; i < 32; i++) {
            float &value = x[i % 8][i / 8 % 2 * 2 + i / 16];
            value = bits & 1u << i ? value : 0.0f;
        }
    }
};

// The same of the tile transposed, from its 128 words: a lane 4g + t of warp w has columns 16 w + 8 half + g and rows
// 8 nt + 2t + e.
struct KeptOfKeys {
    u32 bits; // at 8 (nt % 2) + 2 (nt / 2) + half + 16 e

    __device__ __forceinline__ u32 pair(int nt, int half) const {
        return Kept{bits}.pair(nt % 2 * 8 + nt / 2 * 2 + half);
    }

    __device__ __forceinline__ void drop(float (&x)[8][4]) const {
#pragma unroll
        for (int i = 0; i < 32; i++) {
            float &value = x[i / 8 % 2 + i % 8 / 2 * 2][i % 2 * 2 + i / 16];
            value = bits & 1u << i ? value : 0.0f;
        }
    }
};

__device__ __forceinline__ KeptOfKeys keptOfKeys(const u32 *words) {
    const int warp = threadIdx.x / 32 % 4, g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
    KeptOfKeys kept = {0};
#pragma unroll
    for (int i = 0; i < 8; i++) // rows of warp i / 2 of those who drew, e = i % 2
        kept.bits |= (words[i / 2 * 32 + (2 * t + i % 2) * 4 + g / 2] >> (2 * warp + g % 2 * 16) & 0x0303)
            << (i / 2 * 2 + i % 2 * 16);
    asm("" : "+r"(kept.bits)); // else the compiler tests the bits of each word
    return kept;
}
