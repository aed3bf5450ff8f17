// flash_forward_hopper.cu: the forward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 32 or 64: one warpgroup
// a block has 64 rows and walks over key tiles of 64, the next of which loads meanwhile. Five such blocks a multiprocessor
// hide each other's waits: they are faster than blocks of two warpgroups, which wait for each other at every tile.
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define FORWARD_M 64
#define FORWARD_N 64
#define FORWARD_WARPS 4
#define FORWARD_SHARED ((FORWARD_M + 4 * FORWARD_N) * HEAD_DIM * 2)
#include "flash_forward_probabilities.cuh"
#include "flash_dropout.cuh"
#include "wgmma.cuh"

static_assert(D == 32 || D == 64, "head dimension");
constexpr int ROW_BYTES = D * 2, KEY_BYTES = FORWARD_N * ROW_BYTES, STAGE_BYTES = 2 * KEY_BYTES;

// s = q k^T for the block's 64 rows and one key tile, begun.
__device__ __forceinline__ void scores(float (&s)[FORWARD_NT][4], u32 qRows, u32 keys) {
    const u64 a = operandAt<ROW_BYTES>(qRows), b = operandAt<ROW_BYTES>(keys);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) multiplyShared<Activation, 0, 0>(s, along(a, kk), along(b, kk), kk > 0);
    wgmmaCommit();
}

// o += half(dropped p) v.
__device__ __forceinline__ void values(float (&o)[D / 8][4], const float (&p)[FORWARD_NT][4], Kept kept, u32 values) {
    u32 a[FORWARD_NT][2];
#pragma unroll
    for (int nt = 0; nt < FORWARD_NT; nt++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            a[nt][half] = pack<Activation>(p[nt][half * 2], p[nt][half * 2 + 1]);
            if (DROPOUT) a[nt][half] &= kept.pair(half * 8 + nt);
        }
    const u64 b = operandAt<ROW_BYTES>(values);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < FORWARD_N / 16; kk++)
        multiplyRegisters<Activation, 1>(
            o, a[kk * 2][0], a[kk * 2][1], a[kk * 2 + 1][0], a[kk * 2 + 1][1], alongTransposed<ROW_BYTES>(b, kk), 1);
    wgmmaCommit();
    wgmmaWait<0>();
    settle(o);
}

extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, 5) flash_attention_forward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const int row0 = (gridDim.x - 1 - blockIdx.x) * FORWARD_M; // the longest rows first
    if (row0 >= seq.queries) return;
    const Activation *k = headOf(p.k, p.kAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const Activation *v = headOf(p.v, p.vAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const u32 qTile = sharedAddress(shared), stages = qTile + FORWARD_M * ROW_BYTES;
    const int warpRow = row0 + (threadIdx.x >> 5) * 16;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);
    const int seen = CAUSAL ? min(seq.keys, row0 + FORWARD_M + seq.offset) : seq.keys; // by the last of the rows
    const int unmasked =
        min(seq.keys, CAUSAL ? row0 + seq.offset + 1 : seq.keys) / FORWARD_N; // tiles seen whole by all
    const auto loadKeys = [&](int tile, u32 to) {
        loadTile<FORWARD_N, FORWARD_THREADS>(to, k, p.kAt.row, tile * FORWARD_N, seq.keys);
        loadTile<FORWARD_N, FORWARD_THREADS>(to + KEY_BYTES, v, p.vAt.row, tile * FORWARD_N, seq.keys);
    };

    const bool keeps = DROPOUT && p.kept != nullptr; // for backward
    u32 *keptRow = keeps ? keptTile(p, seq, blockIdx.z, blockIdx.y, row0, 0) + threadIdx.x : nullptr;
    Rows rows;
    clear(rows);
    int tile = seen > 0 ? (seen - 1) / FORWARD_N : -1; // -1: these rows see nothing
    if (tile >= 0) {
        const Activation *q = headOf(p.q, p.qAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
        loadTile<FORWARD_M, FORWARD_THREADS>(qTile, q, p.qAt.row, row0, seq.queries);
        loadKeys(tile, stages);
        copyAsyncCommit();
    }
#pragma unroll 1
    for (int stage = 0; tile >= 0; tile--, stage ^= 1) {
        copyAsyncWait<0>();
        asyncProxyFence();
        __syncthreads();
        if (tile > 0) loadKeys(tile - 1, stages + (stage ^ 1) * STAGE_BYTES);
        copyAsyncCommit();
        float s[FORWARD_NT][4], shrink[2];
        const u32 keys = stages + stage * STAGE_BYTES;
        const int column0 = tile * FORWARD_N;
        scores(s, qTile, keys);
        const Kept kept = {DROPOUT ? drawLane(drop, plane, warpRow, column0) : 0};
        if (DROPOUT && keptRow != nullptr) keptRow[tile * KEPT_WORDS] = kept.bits;
        wgmmaWait<0>();
        settle(s);
        const bool moved = tile >= unmasked
            ? probabilities<true>(s, rows, shrink, warpRow, column0, seq, p.scale * LOG2_E)
            : probabilities<false>(s, rows, shrink, warpRow, column0, seq, p.scale * LOG2_E);
        if (moved) shrinkOutput(rows, shrink);
        values(rows.o[0], s, kept, keys + KEY_BYTES);
    }
    __syncthreads(); // all warps have read the q rows that o replaces
    finishRows(p, rows, seq, row0, shared, DROPOUT ? drop.keepScale : 1.0f);
}
#endif
