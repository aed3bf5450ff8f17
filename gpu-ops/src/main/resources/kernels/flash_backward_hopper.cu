// flash_backward_hopper.cu: the backward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 32 or 64. No sum
// crosses thread blocks: a warpgroup either has 64 keys and walks over the rows that see them, for dk and dv, or has
// 64 rows and walks over the keys that they see, for dq. That is 7 products a tile where 5 would do, but spares the
// partial sums of dq in memory, which cost more, and all exchange of ds: p^T and ds^T are at once the register operands
// of dv += p^T dO and dk += ds^T q, and ds that of dq += ds k. Three blocks a multiprocessor hide each other's waits.
// No product is in flight from one turn of a loop to the next: ptxas would serialize them all (C7514).
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "flash_backward_keys.cuh"
#include "flash_backward_rows.cuh"
#include "flash_dropout.cuh"
#include "wgmma.cuh"

static_assert(D == 32 || D == 64, "head dimension");
constexpr int TILE = 64, THREADS = 128, STAGES = 2; // rows and keys of a tile
constexpr int NT = TILE / 8, DT = D / 8;
constexpr int ROW_BYTES = D * 2, TILE_BYTES = TILE * ROW_BYTES, STATS_BYTES = TILE * 8;
constexpr int KEPT_WORDS = TILE * 2, KEPT_BYTES = DROPOUT ? KEPT_WORDS * 4 : 0; // a bit a score
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

// Which scores of a tile of 64 rows and 64 keys are kept, drawn ahead of the loops, which have no time for Philox: word
// 2 row + key / 32. In the workspace: (H, statsRows / 64, ceil(Tk / 64)) tiles; those that causal hides are never written.
__device__ __forceinline__ u32 *keptTile(const FlashAttention &p, const Sequence &seq, int row0, int key0) {
    const i64 row = ((i64)blockIdx.y * p.statsRows + statsStart(p, blockIdx.z, seq) + row0) / TILE;
    return p.kept + (row * ((p.keyLength + TILE - 1) / TILE) + key0 / TILE) * KEPT_WORDS;
}

// The row statistics, by the blocks of the first keys, and with dropout the kept scores of 128 rows and 128 keys.
extern "C" __global__ void __launch_bounds__(256) flash_attention_backward_rows_sum(const FlashAttention p) {
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const int rowTiles = (p.queryLength + 127) / 128, keyTile = blockIdx.x / rowTiles;
    const int row0 = blockIdx.x % rowTiles * 128;
    if (row0 >= seq.queries) return;
    if (keyTile == 0) rowSums(p, seq, row0);
    const int row = row0 + threadIdx.x % 128, key0 = keyTile * 128 + threadIdx.x / 128 * TILE;
    const auto seenTo = [&](int end) { return CAUSAL ? min(seq.keys, end + seq.offset) : seq.keys; };
    const int seen = seenTo((row & ~31) + 32); // by the warp's rows; what only others of the tile see is 0
    if (!DROPOUT || key0 >= seenTo(row / TILE * TILE + TILE)) return;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);
    const u32 first = key0 < seen ? drawRow(drop, plane, row, key0 / 32) : 0;
    const u32 second = key0 + 32 < seen ? drawRow(drop, plane, row, key0 / 32 + 1) : 0;
    *reinterpret_cast<uint2 *>(keptTile(p, seq, row, key0) + row % TILE * 2) = make_uint2(first, second);
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
        multiplyRegisters<Activation, 1>(sum, x[kk * 2][0], x[kk * 2][1], x[kk * 2 + 1][0], x[kk * 2 + 1][1],
                alongTransposed<ROW_BYTES>(b, kk), 1);
    wgmmaCommit();
}

// sum * factor to rows row0 to row0 + 63 by way of a tile in shared memory that nobody reads any more.
__device__ __forceinline__ void writeGradient(
        Activation *to, i64 stride, const float (&sum)[DT][4], float factor, u8 *tile, int row0, int rows) {
    const int lane = threadIdx.x & 31, warpRow = threadIdx.x / 32 * 16;
#pragma unroll
    for (int dt = 0; dt < DT; dt += 2) {
        u32 x[2][2];
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i / 2][i % 2] = pack<Activation>(
                    sum[dt + i / 2][i % 2 * 2] * factor, sum[dt + i / 2][i % 2 * 2 + 1] * factor);
        const u32 at = sharedAddress(tile) + tileOffset<D>(warpRow + (lane & 15), dt + (lane >> 4));
        storeMatrix(at, x[0][0], x[0][1], x[1][0], x[1][1]);
    }
    __syncwarp();
    u8 *column = reinterpret_cast<u8 *>(to + lane % CHUNKS * 8);
#pragma unroll
    for (int i = 0; i < 16; i += 32 / CHUNKS) {
        const int local = warpRow + i + lane / CHUNKS;
        if (row0 + local < rows)
            *reinterpret_cast<uint4 *>(column + (u64)(u32)(row0 + local) * ((u32)stride * 2)) =
                    *reinterpret_cast<const uint4 *>(tile + tileOffset<D>(local, lane % CHUNKS));
    }
}

// ---- dk and dv of 64 keys: scores are (keys, rows) -------------------------------------------------

// Packed: dropped p, and ds = p (dropped dp - delta). Both at once, so that they take the registers of p and dp. kept: of
// the lane's first key, a word for 32 rows; its second key is 8 further.
__device__ __forceinline__ void keyScoreGradient(u32 (&dropped)[NT][2], u32 (&ds)[NT][2], const float (&p)[NT][4],
        const float (&dp)[NT][4], const float4 *stats, const u32 *kept) {
#pragma unroll
    for (int nt = 0; nt < NT; nt++) {
        const float4 st = stats[nt * 4 + (threadIdx.x & 3)];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const Kept mask = keptOfLane(DROPOUT ? kept[half * 16 + nt / 4] : 0);
            dropped[nt][half] = pack<Activation>(p[nt][half * 2], p[nt][half * 2 + 1]);
            if (DROPOUT) dropped[nt][half] &= mask.pair(ofColumn(nt % 4));
            float x[2];
#pragma unroll
            for (int e = 0; e < 2; e++) {
                x[e] = dp[nt][half * 2 + e];
                if (DROPOUT) x[e] = mask.apply(x[e], ofColumn(nt % 4), e);
                x[e] = p[nt][half * 2 + e] * (x[e] - (e ? st.w : st.y));
            }
            ds[nt][half] = pack<Activation>(x[0], x[1]);
        }
    }
}

// Each warp turns the bits of 32 rows and 32 keys: lane i loads those of row placeOf(i) and stores those of key
// placeOf(i), as word 2 key + row / 32.
__device__ __forceinline__ u32 keptByRow(const FlashAttention &p, const Sequence &seq, int key0, int row0) {
    const int warp = threadIdx.x / 32;
    return keptTile(p, seq, row0, key0)[(warp % 2 * 32 + placeOf(threadIdx.x & 31)) * 2 + warp / 2];
}
__device__ __forceinline__ void storeByKey(u32 *to, u32 byRow) {
    const int warp = threadIdx.x / 32;
    to[(warp / 2 * 32 + placeOf(threadIdx.x & 31)) * 2 + warp % 2] = transposeBits(byRow);
}

__device__ __forceinline__ void keyGradients(const FlashAttention &p, u8 *shared, int key0) {
    const Head head = headOfBlock(p);
    const Sequence &seq = head.seq;
    if (key0 >= seq.keys) return;
    const u32 keys = sharedAddress(shared), others = keys + OTHERS_AT;
    const int warpKey = threadIdx.x / 32 * 16, g = (threadIdx.x & 31) >> 2;
    u32 *keptStages = reinterpret_cast<u32 *>(shared + KEPT_AT);
    int row0 = CAUSAL ? max(0, key0 - seq.offset) / TILE * TILE : 0, stage = 0;
    loadKeys(p, head, keys, key0);
    if (row0 < seq.queries) {
        loadRows(p, head, others, row0);
        loadStats(head, keys + STATS_AT, row0);
    }
    copyAsyncCommit();
    if (DROPOUT && row0 < seq.queries) storeByKey(keptStages, keptByRow(p, seq, key0, row0));
    float dk[DT][4], dv[DT][4];
    clear(dk);
    clear(dv);
#pragma unroll 1
    for (; row0 < seq.queries; row0 += TILE, stage ^= 1) {
        const u32 rows = others + stage * 2 * TILE_BYTES;
        const float4 *stats = reinterpret_cast<const float4 *>(shared + STATS_AT + stage * STATS_BYTES);
        const u32 *kept = keptStages + stage * KEPT_WORDS + (warpKey + g) * 2;
        copyAsyncWait<0>();
        asyncProxyFence();
        __syncthreads();
        float s[NT][4], dp[NT][4];
        u32 dropped[NT][2], ds[NT][2];
        scores(s, keys, rows);
        scores(dp, keys + TILE_BYTES, rows + TILE_BYTES);
        u32 keptNext = 0;
        if (row0 + TILE < seq.queries) {
            if (DROPOUT) keptNext = keptByRow(p, seq, key0, row0 + TILE);
            loadRows(p, head, others + (stage ^ 1) * 2 * TILE_BYTES, row0 + TILE);
            loadStats(head, keys + STATS_AT + (stage ^ 1) * STATS_BYTES, row0 + TILE);
        }
        copyAsyncCommit();
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
        if (DROPOUT) storeByKey(keptStages + (stage ^ 1) * KEPT_WORDS, keptNext);
        wgmmaWait<0>();
        settle(dk);
        settle(dv);
    }
    copyAsyncWait<0>();
    __syncthreads(); // all warps have read the keys that the gradients replace
    const float factor = keepScaleOf(p);
    Activation *dkHead = headOf(p.dk, p.dkAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    Activation *dvHead = headOf(p.dv, p.dvAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    writeGradient(dvHead, p.dvAt.row, dv, factor, shared + TILE_BYTES, key0, seq.keys);
    writeGradient(dkHead, p.dkAt.row, dk, p.scale * factor, shared, key0, seq.keys);
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
__device__ __forceinline__ void rowScoreGradient(u32 (&ds)[NT][2], const float (&p)[NT][4], const float (&dp)[NT][4],
        const float2 (&stats)[2], const uint2 (&kept)[2]) {
#pragma unroll
    for (int nt = 0; nt < NT; nt++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const Kept mask = keptOfLane(nt < 4 ? kept[half].x : kept[half].y);
            float x[2];
#pragma unroll
            for (int e = 0; e < 2; e++) {
                x[e] = dp[nt][half * 2 + e];
                if (DROPOUT) x[e] = mask.apply(x[e], ofColumn(nt % 4), e);
                x[e] = p[nt][half * 2 + e] * (x[e] - stats[half].y);
            }
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
    const auto loadKept = [&](uint2 (&kept)[2], int key0) { // words of the lane's two rows
        const uint2 *tile = reinterpret_cast<const uint2 *>(keptTile(p, seq, row0, key0)) + warpRow - row0 + g;
        kept[0] = tile[0];
        kept[1] = tile[8];
    };
    uint2 kept[2] = {}, keptNext[2] = {};
    if (DROPOUT && seen > 0) loadKept(kept, 0);
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
            if (DROPOUT) loadKept(keptNext, key0 + TILE);
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
        kept[0] = keptNext[0];
        kept[1] = keptNext[1];
    }
    copyAsyncWait<0>();
    __syncthreads(); // all warps have read the rows that the gradient replaces
    Activation *to = headOf(p.dq, p.dqAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
    writeGradient(to, p.dqAt.row, dq, p.scale * keepScaleOf(p), shared, row0, seq.queries);
}

// Of each head the key tiles first, longest walk first, then the row tiles, longest first.
extern "C" __global__ void __launch_bounds__(THREADS, 3) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int keyTiles = (p.keyLength + TILE - 1) / TILE, tile = blockIdx.x;
    if (tile < keyTiles) keyGradients(p, shared, tile * TILE);
    else rowGradient(p, shared, ((int)gridDim.x - 1 - tile) * TILE);
}
#endif
