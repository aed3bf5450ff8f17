// flash_backward_hopper.cuh: the tiles of flash_backward_hopper.cu: where they lie in shared memory, how a block loads and
// multiplies them (sm_90a only).
#pragma once
#include "flash_backward_gradient.cuh"
#include "flash_backward_keys.cuh"
#include "flash_backward_rows.cuh"
#include "flash_dropout.cuh"
#include "wgmma.cuh"

static_assert(D == 32 || D == 64, "head dimension");
constexpr int TILE = 64, THREADS = 128, STAGES = 2; // rows and keys of a tile
constexpr int NT = TILE / 8, DT = D / 8;
constexpr int ROW_BYTES = D * 2, TILE_BYTES = TILE * ROW_BYTES, STATS_BYTES = TILE * 8;
constexpr int KEPT_BYTES = DROPOUT ? KEPT_WORDS * 4 : 0; // a bit a score
// own: k and v, or q and dO; others: the tiles walked over, {q, dO} or {k, v}
constexpr int OTHERS_AT = 2 * TILE_BYTES, STATS_AT = OTHERS_AT + STAGES * 2 * TILE_BYTES;
constexpr int KEPT_AT = STATS_AT + STAGES * STATS_BYTES, BACKWARD_SHARED = KEPT_AT + STAGES * KEPT_BYTES;

extern "C" __device__ const int flash_attention_backward_shared = BACKWARD_SHARED;
extern "C" __device__ const int flash_attention_backward_keys = TILE;
extern "C" __device__ const int flash_attention_backward_threads = THREADS;

// What one thread block works on.
struct Head {
    const Activation *q, *k, *v, *dO;
    const float2 *stats;
    Sequence seq;
};

__device__ __forceinline__ Head headOfBlock(const FlashAttention &p) {
    const int b = blockIdx.z, h = blockIdx.y;
    Head head;
    head.seq = sequenceOf(p, b);
    head.q = headOf(p.q, p.qAt, p, b, h, head.seq.queryStart);
    head.dO = headOf(p.dO, p.dOAt, p, b, h, head.seq.queryStart);
    head.k = headOf(p.k, p.kAt, p, b, h, head.seq.keyStart);
    head.v = headOf(p.v, p.vAt, p, b, h, head.seq.keyStart);
    head.stats = p.stats + (i64)h * p.statsRows + statsStart(p, b, head.seq);
    return head;
}

__device__ __forceinline__ void loadRows(const FlashAttention &p, const Head &head, u32 to, int row0) {
    loadTile<TILE, THREADS>(to, head.q, p.qAt.row, row0, head.seq.queries);
    loadTile<TILE, THREADS>(to + TILE_BYTES, head.dO, p.dOAt.row, row0, head.seq.queries);
}

__device__ __forceinline__ void loadKeys(const FlashAttention &p, const Head &head, u32 to, int key0) {
    loadTile<TILE, THREADS>(to, head.k, p.kAt.row, key0, head.seq.keys);
    loadTile<TILE, THREADS>(to + TILE_BYTES, head.v, p.vAt.row, key0, head.seq.keys);
}

__device__ __forceinline__ void loadStats(const Head &head, u32 to, int row0) {
    if (threadIdx.x < TILE / 2) copyAsync16(to + threadIdx.x * 16, head.stats + row0 + threadIdx.x * 2, true);
}

__device__ __forceinline__ void loadKept(u32 to, const u32 *tile) {
    if (DROPOUT && threadIdx.x < KEPT_BYTES / 16) copyAsync16(to + threadIdx.x * 16, tile + threadIdx.x * 4, true);
}

__device__ __forceinline__ void clear(float (&x)[DT][4]) {
#pragma unroll
    for (int dt = 0; dt < DT; dt++)
#pragma unroll
        for (int e = 0; e < 4; e++) x[dt][e] = 0.0f;
}

// s (64 x 64) = own others^T.
__device__ __forceinline__ void scores(float (&s)[NT][4], u32 own, u32 others) {
    const u64 a = operandAt<ROW_BYTES>(own), b = operandAt<ROW_BYTES>(others);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) multiplyShared<Activation, 0, 0>(s, along(a, kk), along(b, kk), kk > 0);
    wgmmaCommit();
}

// sum (64 x D) += x (64 x 64, in registers) others.
__device__ __forceinline__ void accumulate(float (&sum)[DT][4], const u32 (&x)[NT][2], u32 others) {
    const u64 b = operandAt<ROW_BYTES>(others);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < TILE / 16; kk++)
        multiplyRegisters<Activation, 1>(
            sum, x[kk * 2][0], x[kk * 2][1], x[kk * 2 + 1][0], x[kk * 2 + 1][1], alongTransposed<ROW_BYTES>(b, kk), 1);
    wgmmaCommit();
}
