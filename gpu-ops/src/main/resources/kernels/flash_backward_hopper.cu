// flash_backward_hopper.cu: the backward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 32 or 64. No sum
// crosses thread blocks: a warpgroup either has 64 keys and walks over the rows that see them, for dk and dv, or has
// 64 rows and walks over the keys that they see, for dq. That is 7 products a tile where 5 would do, but spares the
// partial sums of dq in memory, which cost more where sequences are short (flash_backward_hopper_long.cu has the others),
// and all exchange of ds: p^T and ds^T are at once the register operands
// of dv += p^T dO and dk += ds^T q, and ds that of dq += ds k. Three blocks a multiprocessor hide each other's waits.
// No product is in flight from one turn of a loop to the next: ptxas would serialize them all (C7514).
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "flash_backward_hopper.cuh"

extern "C" __global__ void __launch_bounds__(256) flash_attention_backward_rows_sum(const FlashAttention p) {
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const int row0 = blockIdx.x * 128;
    if (row0 < seq.queries) rowSums(p, seq, row0);
}

// ---- dk and dv of 64 keys: scores are (keys, rows) -------------------------------------------------

// Packed: dropped p, and ds = p (dropped dp - delta). Both at once, so that they take the registers of p and dp.
__device__ __forceinline__ void keyScoreGradient(u32 (&dropped)[NT][2], u32 (&ds)[NT][2], const float (&p)[NT][4],
    float (&dp)[NT][4], const float4 *stats, KeptOfKeys kept) {
    if (DROPOUT) kept.drop(dp);
#pragma unroll
    for (int nt = 0; nt < NT; nt++) {
        const float4 st = stats[nt * 4 + (threadIdx.x & 3)];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            dropped[nt][half] = pack<Activation>(p[nt][half * 2], p[nt][half * 2 + 1]);
            if (DROPOUT) dropped[nt][half] &= kept.pair(nt, half);
            float x[2];
#pragma unroll
            for (int e = 0; e < 2; e++) x[e] = p[nt][half * 2 + e] * (dp[nt][half * 2 + e] - (e ? st.w : st.y));
            ds[nt][half] = pack<Activation>(x[0], x[1]);
        }
    }
}

__device__ __forceinline__ void keyGradients(const FlashAttention &p, u8 *shared, int key0) {
    const Head head = headOfBlock(p);
    const Sequence &seq = head.seq;
    if (key0 >= seq.keys) return;
    const u32 keys = sharedAddress(shared), others = keys + OTHERS_AT;
    const int warpKey = threadIdx.x / 32 * 16;
    int row0 = CAUSAL ? max(0, key0 - seq.offset) / TILE * TILE : 0, stage = 0;
    const u32 *keptNext = DROPOUT ? keptTile(p, seq, blockIdx.z, blockIdx.y, row0, key0) : nullptr;
    const u32 keptStep = (p.keyLength + TILE - 1) / TILE * KEPT_WORDS; // to the next 64 rows
    loadKeys(p, head, keys, key0);
    if (row0 < seq.queries) {
        loadRows(p, head, others, row0);
        loadStats(head, keys + STATS_AT, row0);
        loadKept(keys + KEPT_AT, keptNext);
    }
    copyAsyncCommit();
    float dk[DT][4], dv[DT][4];
    clear(dk);
    clear(dv);
#pragma unroll 1
    for (; row0 < seq.queries; row0 += TILE, stage ^= 1) {
        const u32 rows = others + stage * 2 * TILE_BYTES;
        const float4 *stats = reinterpret_cast<const float4 *>(shared + STATS_AT + stage * STATS_BYTES);
        copyAsyncWait<0>();
        asyncProxyFence();
        __syncthreads();
        float s[NT][4], dp[NT][4];
        u32 dropped[NT][2], ds[NT][2];
        scores(s, keys, rows);
        scores(dp, keys + TILE_BYTES, rows + TILE_BYTES);
        if (row0 + TILE < seq.queries) {
            loadRows(p, head, others + (stage ^ 1) * 2 * TILE_BYTES, row0 + TILE);
            loadStats(head, keys + STATS_AT + (stage ^ 1) * STATS_BYTES, row0 + TILE);
            keptNext += keptStep;
            loadKept(keys + KEPT_AT + (stage ^ 1) * KEPT_BYTES, keptNext);
        }
        copyAsyncCommit();
        KeptOfKeys kept = {0};
        if (DROPOUT) kept = keptOfKeys(reinterpret_cast<const u32 *>(shared + KEPT_AT + stage * KEPT_BYTES));
        wgmmaWait<1>();
        settle(s);
        keyProbabilities(s, stats, p.scale * LOG2_E);
        if (key0 + TILE > seq.keys || (CAUSAL && key0 + TILE - 1 > row0 + seq.offset))
            maskKeys(s, seq, key0 + warpKey, row0);
        wgmmaWait<0>();
        settle(dp);
        keyScoreGradient(dropped, ds, s, dp, stats, kept);
        accumulate(dv, dropped, rows + TILE_BYTES);
        accumulate(dk, ds, rows);
        wgmmaWait<0>();
        settle(dk);
        settle(dv);
    }
    copyAsyncWait<0>();
    __syncthreads(); // all warps have read the keys that the gradients replace
    const float factor = keepScaleOf(p);
    Activation *dkHead = headOf(p.dk, p.dkAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    Activation *dvHead = headOf(p.dv, p.dvAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const int warpRow = threadIdx.x / 32 * 16;
    writeGradient(dvHead, p.dvAt.row, dv, factor, shared + TILE_BYTES, warpRow, key0, seq.keys);
    writeGradient(dkHead, p.dkAt.row, dk, p.scale * factor, shared, warpRow, key0, seq.keys);
}

// ---- dq of 64 rows: scores are (rows, keys) ----------------------------------------------------------

// s becomes p.
__device__ __forceinline__ void rowProbabilities(float (&s)[NT][4], const float2 (&stats)[2], float c) {
#pragma unroll
    for (int nt = 0; nt < NT; nt++)
#pragma unroll
        for (int e = 0; e < 4; e++) s[nt][e] = exp2Fast(fmaf(s[nt][e], c, -stats[e / 2].x));
}

__device__ __forceinline__ void maskRows(float (&p)[NT][4], const Sequence &seq, int warpRow, int key0) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int end = CAUSAL ? min(seq.keys, warpRow + half * 8 + g + seq.offset + 1) : seq.keys;
#pragma unroll
        for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int e = 0; e < 2; e++)
                if (key0 + nt * 8 + t * 2 + e >= end) p[nt][half * 2 + e] = 0.0f;
    }
}

// ds = p (dropped dp - delta), packed.
__device__ __forceinline__ void rowScoreGradient(
    u32 (&ds)[NT][2], const float (&p)[NT][4], float (&dp)[NT][4], const float2 (&stats)[2], Kept kept) {
    if (DROPOUT) kept.drop(dp);
#pragma unroll
    for (int nt = 0; nt < NT; nt++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float x[2];
#pragma unroll
            for (int e = 0; e < 2; e++) x[e] = p[nt][half * 2 + e] * (dp[nt][half * 2 + e] - stats[half].y);
            ds[nt][half] = pack<Activation>(x[0], x[1]);
        }
}

__device__ __forceinline__ void rowGradient(const FlashAttention &p, u8 *shared, int row0) {
    const Head head = headOfBlock(p);
    const Sequence &seq = head.seq;
    if (row0 >= seq.queries) return;
    const u32 rows = sharedAddress(shared), others = rows + OTHERS_AT;
    const int warpRow = row0 + threadIdx.x / 32 * 16, g = (threadIdx.x & 31) >> 2;
    const int seen = CAUSAL ? min(seq.keys, row0 + TILE + seq.offset) : seq.keys;
    loadRows(p, head, rows, row0);
    if (seen > 0) loadKeys(p, head, others, 0);
    copyAsyncCommit();
    const float2 stats[2] = {head.stats[warpRow + g], head.stats[warpRow + 8 + g]};
    Kept kept = {}, keptNext = {};
    const u32 *keptAt = DROPOUT ? keptTile(p, seq, blockIdx.z, blockIdx.y, row0, 0) + threadIdx.x : nullptr;
    if (DROPOUT && seen > 0) kept.bits = *keptAt;
    float dq[DT][4];
    clear(dq);
    int stage = 0;
#pragma unroll 1
    for (int key0 = 0; key0 < seen; key0 += TILE, stage ^= 1) {
        const u32 keys = others + stage * 2 * TILE_BYTES;
        copyAsyncWait<0>();
        asyncProxyFence();
        __syncthreads();
        float s[NT][4], dp[NT][4];
        u32 ds[NT][2];
        scores(s, rows, keys);
        scores(dp, rows + TILE_BYTES, keys + TILE_BYTES);
        if (key0 + TILE < seen) {
            if (DROPOUT) keptNext.bits = *(keptAt += KEPT_WORDS);
            loadKeys(p, head, others + (stage ^ 1) * 2 * TILE_BYTES, key0 + TILE);
        }
        copyAsyncCommit();
        wgmmaWait<1>();
        settle(s);
        rowProbabilities(s, stats, p.scale * LOG2_E);
        if (key0 + TILE > seq.keys || (CAUSAL && key0 + TILE - 1 > row0 + seq.offset)) maskRows(s, seq, warpRow, key0);
        wgmmaWait<0>();
        settle(dp);
        rowScoreGradient(ds, s, dp, stats, kept);
        accumulate(dq, ds, keys);
        wgmmaWait<0>();
        settle(dq);
        kept = keptNext;
    }
    copyAsyncWait<0>();
    __syncthreads(); // all warps have read the rows that the gradient replaces
    Activation *to = headOf(p.dq, p.dqAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
    writeGradient(to, p.dqAt.row, dq, p.scale * keepScaleOf(p), shared, threadIdx.x / 32 * 16, row0, seq.queries);
}

// Of each head the key tiles first, longest walk first, then the row tiles, longest first.
extern "C" __global__ void __launch_bounds__(THREADS, 3) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int keyTiles = (p.keyLength + TILE - 1) / TILE, tile = blockIdx.x;
    if (tile < keyTiles) keyGradients(p, shared, tile * TILE);
    else rowGradient(p, shared, ((int)gridDim.x - 1 - tile) * TILE);
}
#endif
