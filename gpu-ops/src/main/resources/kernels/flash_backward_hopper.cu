// flash_backward_hopper.cu: the backward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 32 or 64, without
// dropout (a warp holds 16 keys where a draw decides for 32: on one H100 flash_backward.cu was faster, 885 against 1050 us).
// FlashAttention-3, arXiv:2407.08608, in our own form: two warpgroups, each with 64 of a tile's 128 keys. Per tile of 128
// rows: s^T = k q^T and dp^T = v dO^T, so that p^T and ds^T are at once the register operands of dv += p^T dO and
// dk += ds^T q; ds alone goes through shared memory, where both groups read it for dq = ds k, 64 rows each, one step later, so
// that tensor cores work while dq is stored. A step's rows load during the step before, its keys with their first rows.
// No product is in flight from one turn of the loop to the next: ptxas would serialize them all (C7514).
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "flash_attention.cuh"
#include "wgmma.cuh"

constexpr int BM = 128, BN = 128;
constexpr int CT = BM / 8;
constexpr int ROW_BYTES = D * 2, TILE_BYTES = BM * ROW_BYTES;
constexpr int KEY_STAGES = 2, ROW_STAGES = 2, DS_STAGES = 2;
constexpr int PANEL_BYTES = BN * 128, DS_BYTES = 2 * PANEL_BYTES; // ds: a panel of (128 keys, 64 rows) for each warpgroup
constexpr int KEYS_AT = 0, ROWS_AT = KEY_STAGES * 2 * TILE_BYTES, DS_AT = ROWS_AT + ROW_STAGES * 2 * TILE_BYTES;
constexpr int STATS_AT = DS_AT + DS_STAGES * DS_BYTES, STATS_BYTES = BM * 8;
constexpr int BACKWARD_SHARED = STATS_AT + ROW_STAGES * STATS_BYTES;
constexpr int QWM = 8, QT = 1, DT = D / 8;
static_assert((D == 32 || D == 64) && !DROPOUT, "flash_backward.cu takes the rest");

#include "flash_backward.cuh"

// Where the walk over key tiles and their row tiles stands.
struct Step {
    int tile, row, keys; // key tile, row tile, key tiles before this one
};

__device__ __forceinline__ void advance(Step &at, const Sequence &seq, int rowTiles, int splits) {
    if (++at.row < rowTiles) return;
    at.tile += splits;
    at.keys++;
    at.row = firstRowTile(seq, at.tile * BN);
}

// The rows of a step, and its keys if it is the first of its key tile.
__device__ __forceinline__ void loadStep(const FlashAttention &p, const Head &head, u32 shared, const Step &at, int stage) {
    const int row0 = at.row * BM, key0 = at.tile * BN;
    const u32 rows = shared + ROWS_AT + stage * 2 * TILE_BYTES;
    loadTile<BM, 256>(rows, head.q, p.qAt.row, row0, head.seq.queries);
    loadTile<BM, 256>(rows + TILE_BYTES, head.dO, p.dOAt.row, row0, head.seq.queries);
    if (threadIdx.x < BM / 2)
        copyAsync16(shared + STATS_AT + stage * STATS_BYTES + threadIdx.x * 16, head.stats + row0 + threadIdx.x * 2, true);
    if (at.row == firstRowTile(head.seq, key0)) {
        const u32 keys = shared + KEYS_AT + (at.keys & 1) * 2 * TILE_BYTES;
        loadTile<BN, 256>(keys, head.k, p.kAt.row, key0, head.seq.keys);
        loadTile<BN, 256>(keys + TILE_BYTES, head.v, p.vAt.row, key0, head.seq.keys);
    }
}

// s (64 keys x BM rows) = keys rows^T.
__device__ __forceinline__ void transposedScores(float (&s)[CT][4], u32 keys, u32 rows) {
    const u64 a = operandAt<ROW_BYTES>(keys), b = operandAt<ROW_BYTES>(rows);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) multiplyShared<Activation, 0, 0>(s, along(a, kk), along(b, kk), kk > 0);
    wgmmaCommit();
}

// acc (64 keys x D) += x rows, x (64 keys x BM rows) in registers.
__device__ __forceinline__ void accumulate(float (&acc)[DT][4], const u32 (&x)[CT][2], u32 rows, int keep) {
    const u64 b = operandAt<ROW_BYTES>(rows);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < BM / 16; kk++)
        multiplyRegisters<Activation, 1>(acc, x[kk * 2][0], x[kk * 2][1], x[kk * 2 + 1][0], x[kk * 2 + 1][1],
                alongTransposed<ROW_BYTES>(b, kk), kk > 0 ? 1 : keep);
    wgmmaCommit();
}

// dq (64 rows x D) = ds k over the BN keys of the tile.
__device__ __forceinline__ void queryGradient(float (&dq)[DT][4], u32 dsPanel, u32 keys) {
    const u64 a = operandAt<128>(dsPanel), b = operandAt<ROW_BYTES>(keys);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < BN / 16; kk++)
        multiplyShared<Activation, 1, 1>(dq, alongTransposed<128>(a, kk), alongTransposed<ROW_BYTES>(b, kk), kk > 0);
    wgmmaCommit();
}

// s becomes p; stats {lse, delta} of rows 2t and 2t + 1 of each 8.
__device__ __forceinline__ void probabilities(float (&s)[CT][4], const float4 *stats, float c) {
#pragma unroll
    for (int ct = 0; ct < CT; ct++) {
        const float4 st = stats[ct * 4 + (threadIdx.x & 3)];
#pragma unroll
        for (int e = 0; e < 4; e++) s[ct][e] = exp2Fast(fmaf(s[ct][e], c, (e & 1) ? -st.z : -st.x));
    }
}

__device__ __forceinline__ void maskScores(float (&p)[CT][4], const Sequence &seq, int key0, int row0) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int key = key0 + half * 8 + g;
        const int begin = key >= seq.keys ? 0x7fffffff : CAUSAL ? key - seq.offset : 0; // the first row that sees it
#pragma unroll
        for (int ct = 0; ct < CT; ct++)
#pragma unroll
            for (int e = 0; e < 2; e++)
                if (row0 + ct * 8 + t * 2 + e < begin) p[ct][half * 2 + e] = 0.0f;
    }
}

__device__ __forceinline__ void packTile(u32 (&to)[CT][2], const float (&x)[CT][4]) {
#pragma unroll
    for (int ct = 0; ct < CT; ct++)
#pragma unroll
        for (int half = 0; half < 2; half++) to[ct][half] = pack<Activation>(x[ct][half * 2], x[ct][half * 2 + 1]);
}

// ds = p (dp - delta), packed.
__device__ __forceinline__ void scoreGradient(u32 (&ds)[CT][2], const float (&p)[CT][4], const float (&dp)[CT][4], const float4 *stats) {
#pragma unroll
    for (int ct = 0; ct < CT; ct++) {
        const float4 st = stats[ct * 4 + (threadIdx.x & 3)];
        float x[4];
#pragma unroll
        for (int e = 0; e < 4; e++) x[e] = p[ct][e] * (dp[ct][e] - ((e & 1) ? st.w : st.y));
        ds[ct][0] = pack<Activation>(x[0], x[1]);
        ds[ct][1] = pack<Activation>(x[2], x[3]);
    }
}

// ds^T to the two panels: (keys, 64 rows), 128 bytes a key.
__device__ __forceinline__ void storeScoreGradient(u32 panels, const u32 (&ds)[CT][2], int warpKey) {
    const int lane = threadIdx.x & 31;
    const int key = warpKey + (lane & 15), chunk = lane >> 4;
#pragma unroll
    for (int ct = 0; ct < CT; ct += 2)
        storeMatrix(panels + ct / 8 * PANEL_BYTES + tileOffset<64>(key, ct % 8 + chunk), ds[ct][0], ds[ct][1], ds[ct + 1][0], ds[ct + 1][1]);
}

__device__ __forceinline__ void writeKeyGradient(Activation *to, i64 stride, const float (&x)[DT][4], int key, int keys, float factor) {
    const int t = threadIdx.x & 3;
#pragma unroll
    for (int dt = 0; dt < DT; dt++)
#pragma unroll
        for (int half = 0; half < 2; half++)
            if (key + half * 8 < keys)
                *reinterpret_cast<u32 *>(to + (key + half * 8) * stride + dt * 8 + t * 2) =
                        pack<Activation>(x[dt][half * 2] * factor, x[dt][half * 2 + 1] * factor);
}

// No row sees any key: dk = dv = 0.
__device__ __forceinline__ void clearKeyGradients(const FlashAttention &p, const Head &head, int split) {
    Activation *dk = ownHead(p, p.dk, p.dkAt, p.cuK), *dv = ownHead(p, p.dv, p.dvAt, p.cuK);
    for (int i = threadIdx.x; i < head.seq.keys * CHUNKS; i += 256) {
        const int key = i / CHUNKS;
        if (key / BN % p.splits != split) continue;
        *reinterpret_cast<uint4 *>(dk + key * p.dkAt.row + i % CHUNKS * 8) = make_uint4(0, 0, 0, 0);
        *reinterpret_cast<uint4 *>(dv + key * p.dvAt.row + i % CHUNKS * 8) = make_uint4(0, 0, 0, 0);
    }
}

__device__ __forceinline__ void storeStep(
        const FlashAttention &p, const Head &head, const float (&dq)[QT][DT][4], const Step &at, int keyTiles, int split) {
    const int row0 = at.row * BM;
    const int lastSeen = CAUSAL ? min(keyTiles - 1, (row0 + BM - 1 + head.seq.offset) / BN) : keyTiles - 1;
    storeQueryGradient(p, head, dq, row0, at.tile == split, p.splits == 1 && at.tile == lastSeen, p.scale);
}

extern "C" __global__ void __launch_bounds__(256, 1) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int split = blockIdx.x;
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const Head head = backwardHead(p, seq, split);
    const int keyTiles = (seq.keys + BN - 1) / BN, rowTiles = (seq.queries + BM - 1) / BM;
    clearBlindRows(p, head, keyTiles);
    if (split >= keyTiles) return;
    if (rowTiles == 0) {
        clearKeyGradients(p, head, split);
        return;
    }
    const u32 base = sharedAddress(shared);
    const int warp = threadIdx.x >> 5, group = __shfl_sync(0xffffffffu, warp >> 2, 0);
    const int warpKey = warp * 16, g = (threadIdx.x & 31) >> 2;

    float dk[DT][4], dv[DT][4];
    Step at = {split, firstRowTile(seq, split * BN), 0}, before = at;
    loadStep(p, head, base, at, 0);
    copyAsyncCommit();
    copyAsyncWait<0>();
    asyncProxyFence();
    __syncthreads();
    int parity = 0; // of the steps
#pragma unroll 1
    for (; at.tile < keyTiles; parity ^= 1) {
        const int key0 = at.tile * BN, row0 = at.row * BM;
        const u32 keys = base + KEYS_AT + (at.keys & 1) * 2 * TILE_BYTES, rows = base + ROWS_AT + parity * 2 * TILE_BYTES;
        const float4 *stats = reinterpret_cast<const float4 *>(shared + STATS_AT + parity * STATS_BYTES);
        const int met = at.row != firstRowTile(seq, key0); // has this key tile met rows?
        Step next = at;
        advance(next, seq, rowTiles, p.splits);
        float s[CT][4], dp[CT][4];
        u32 half[CT][2], ds[CT][2];
        {
            float dq[QT][DT][4]; // of the step before; at first of whatever lies there, not used
            queryGradient(dq[0], base + DS_AT + (parity ^ 1) * DS_BYTES + group * PANEL_BYTES,
                    base + KEYS_AT + (before.keys & 1) * 2 * TILE_BYTES);
            transposedScores(s, keys + group * 64 * ROW_BYTES, rows);
            wgmmaWait<1>();
            settle(dq[0]);
            if (before.row != at.row || before.tile != at.tile) storeStep(p, head, dq, before, keyTiles, split);
            if (next.keys - before.keys == KEY_STAGES) __syncthreads(); // dq has read the keys that now make room
            if (next.tile < keyTiles) loadStep(p, head, base, next, parity ^ 1);
            copyAsyncCommit();
            transposedScores(dp, keys + TILE_BYTES + group * 64 * ROW_BYTES, rows + TILE_BYTES);
        }
        wgmmaWait<1>();
        settle(s);
        probabilities(s, stats, p.scale * LOG2_E);
        if (key0 + BN > seq.keys || (CAUSAL && key0 + BN - 1 > row0 + seq.offset)) maskScores(s, seq, key0 + warpKey, row0);
        packTile(half, s);
        accumulate(dv, half, rows + TILE_BYTES, met);

        wgmmaWait<1>();
        settle(dp);
        scoreGradient(ds, s, dp, stats);
        accumulate(dk, ds, rows, met);
        storeScoreGradient(base + DS_AT + parity * DS_BYTES, ds, warpKey);
        wgmmaWait<0>();
        settle(dk);
        settle(dv);
        if (next.tile != at.tile) {
            writeKeyGradient(ownHead(p, p.dv, p.dvAt, p.cuK), p.dvAt.row, dv, key0 + warpKey + g, seq.keys, 1.0f);
            writeKeyGradient(ownHead(p, p.dk, p.dkAt, p.cuK), p.dkAt.row, dk, key0 + warpKey + g, seq.keys, p.scale);
        }
        copyAsyncWait<0>(); // the next step
        asyncProxyFence();
        __syncthreads();
        before = at;
        at = next;
    }
    float dq[QT][DT][4];
    queryGradient(dq[0], base + DS_AT + (parity ^ 1) * DS_BYTES + group * PANEL_BYTES, base + KEYS_AT + (before.keys & 1) * 2 * TILE_BYTES);
    wgmmaWait<0>();
    settle(dq[0]);
    storeStep(p, head, dq, before, keyTiles, split);
}
#endif
