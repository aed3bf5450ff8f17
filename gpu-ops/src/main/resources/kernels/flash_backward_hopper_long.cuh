// flash_backward_hopper_long.cuh: the parts of flash_backward_hopper_long.cu: where its tiles lie in shared memory, its
// barriers, what it works on, its products, and how a warpgroup packs and stages their results (sm_90a only).
#pragma once
#include "flash_backward_gradient.cuh"
#include "flash_backward_keys.cuh"
#include "flash_dropout.cuh"
#include "wgmma.cuh"

static_assert(D == 32 || D == 64, "head dimension");
constexpr int BN = 128, ROWS = 128, BM = 64; // keys and rows of a step; rows of a dq tile, one a warpgroup
constexpr int CT = ROWS / 8, DT = D / 8;
constexpr int QWM = 4, QT = 1; // dq: 16 rows a warp
constexpr int MULTIPLIERS = 256, LOADERS = 64;
constexpr int ROW_BYTES = D * 2, TILE_BYTES = 128 * ROW_BYTES;
constexpr int DS_PANEL = BN * 128, DS_BYTES = 2 * DS_PANEL; // (128 keys, 64 rows), twice
constexpr int DQ_BYTES = BM * D * 4;                        // as in the sums
constexpr int STATS_BYTES = ROWS * 8;
constexpr int KEPT_BYTES = DROPOUT ? 4 * KEPT_WORDS * 4 : 0; // a bit a score
// Two stages of everything but dq, of which each warpgroup has one; of v, one where dropout takes its place.
constexpr int VALUE_STAGES = DROPOUT && D == 64 ? 1 : 2;
constexpr int VALUES_AT = 2 * TILE_BYTES, ROWS_AT = VALUES_AT + VALUE_STAGES * TILE_BYTES;
constexpr int DS_AT = ROWS_AT + 4 * TILE_BYTES, DQ_AT = DS_AT + 2 * DS_BYTES, STATS_AT = DQ_AT + 2 * DQ_BYTES;
constexpr int KEPT_AT = STATS_AT + 2 * STATS_BYTES, WORK_AT = KEPT_AT + 2 * KEPT_BYTES;
constexpr int WORKS = 4; // items that a block has taken or works on
constexpr int BARRIERS_AT = WORK_AT + WORKS * 16, BACKWARD_SHARED = BARRIERS_AT + 208;

#define BACKWARD_TURNS 1
#define BACKWARD_PERSISTENT 1
#define BACKWARD_THREADS 384
#include "flash_backward_turns.cuh"

// The barriers of a stage, or of dq's warpgroup, between those who fill it and those who empty it.
struct Barriers {
    u32 at;
    __device__ __forceinline__ u32 workFull(int item) const { return at + item % WORKS * 8; }
    __device__ __forceinline__ u32 workEmpty(int item) const { return at + (WORKS + item % WORKS) * 8; }
    __device__ __forceinline__ u32 keysFull(int stage) const { return at + 64 + stage * 8; }
    __device__ __forceinline__ u32 keysEmpty(int stage) const { return at + 80 + stage * 8; }
    __device__ __forceinline__ u32 valuesEmpty(int stage) const { return at + 96 + stage * 8; }
    __device__ __forceinline__ u32 rowsFull(int stage) const { return at + 112 + stage * 8; }
    __device__ __forceinline__ u32 rowsEmpty(int stage) const { return at + 128 + stage * 8; }
    __device__ __forceinline__ u32 dsFull(int stage) const { return at + 144 + stage * 8; }
    __device__ __forceinline__ u32 dsEmpty(int stage) const { return at + 160 + stage * 8; }
    __device__ __forceinline__ u32 dqFull(int group) const { return at + 176 + group * 8; }
    __device__ __forceinline__ u32 dqEmpty(int group) const { return at + 192 + group * 8; }

    __device__ __forceinline__ void setUp() const {
#pragma unroll
        for (int item = 0; item < WORKS; item++) {
            barrierSetUp(workFull(item), 1);
            barrierSetUp(workEmpty(item), BACKWARD_THREADS);
        }
#pragma unroll
        for (int stage = 0; stage < 2; stage++) {
            barrierSetUp(keysFull(stage), LOADERS);
            barrierSetUp(keysEmpty(stage), MULTIPLIERS);
            barrierSetUp(valuesEmpty(stage), MULTIPLIERS);
            barrierSetUp(rowsFull(stage), LOADERS);
            barrierSetUp(rowsEmpty(stage), MULTIPLIERS);
            barrierSetUp(dsFull(stage), MULTIPLIERS);
            barrierSetUp(dsEmpty(stage), MULTIPLIERS);
            barrierSetUp(dqFull(stage), MULTIPLIERS / 2);
            barrierSetUp(dqEmpty(stage), 32);
        }
        barriersReady();
    }
};

// ---- what a block works on -----------------------------------------------------------------------

// One key tile of a head, and `steps` tiles of 128 rows that see it, from `begin` on. tile -1: nothing is left.
struct Work {
    int tile, h, b, begin, steps;
    Sequence seq;

    // The number of key tiles that add to this tile of 64 rows. The last key tile is the first to add, tile 0 the last.
    __device__ __forceinline__ int tilesOf(int row) const {
        const int keyTiles = (seq.keys + BN - 1) / BN;
        return CAUSAL ? min(keyTiles, ((row | 1) * BM + BM - 1 + seq.offset) / BN + 1) : keyTiles;
    }
    __device__ __forceinline__ float *sumOf(const FlashAttention &p, int row) const {
        return p.partial + ((i64)h * p.statsRows + statsStart(p, b, seq) + row * BM) * D;
    }
    __device__ __forceinline__ int *turnOf(const FlashAttention &p, int row) const {
        return turnsOf(p, b, h, seq) + row;
    }
};

// What the taker wrote of a block's item.
__device__ __forceinline__ int4 workAt(const u8 *shared, int item) {
    return *reinterpret_cast<const int4 *>(shared + WORK_AT + item % WORKS * 16);
}

__device__ __forceinline__ Work workOf(const FlashAttention &p, const int4 &at) {
    Work work;
    work.tile = at.x, work.h = at.y, work.b = at.z;
    if (work.tile < 0) return work;
    work.seq = sequenceOf(p, work.b);
    work.begin = CAUSAL ? max(0, work.tile * BN - work.seq.offset) / ROWS : 0;
    work.steps = (work.seq.queries + ROWS - 1) / ROWS - work.begin; // at least 1
    return work;
}

// A block's item, once it has been taken; all threads that work on it say that they have read it.
__device__ __forceinline__ Work awaitWork(
    const FlashAttention &p, const u8 *shared, const Barriers &barriers, int item) {
    barrierWait(barriers.workFull(item), item / WORKS & 1);
    const Work work = workOf(p, workAt(shared, item));
    barrierArriveEach(barriers.workEmpty(item));
    return work;
}

// {tile, h, b, 0} of the next key tile that nobody has taken, by one thread. The tiles of some heads are taken in turns, so
// that those of one head begin about a step apart. Of packed sequences the longest has a ticket for each of its tiles; who
// draws the last one of a shorter sequence passes by those that are left.
__device__ __forceinline__ int4 takeWork(const FlashAttention &p) {
    int *next = ticketOf(p, 0, 0);
    const int tickets = (p.keyLength + BN - 1) / BN, heads = p.batch * p.heads;
    const int side = p.cuQ == nullptr ? max(1, (int)gridDim.x / ((p.queryLength + ROWS - 1) / ROWS)) : 1;
    while (true) {
        const int ticket = atomicAdd(next, 1), first = ticket / (side * tickets) * side;
        if (first >= heads) return make_int4(-1, 0, 0, 0);
        const int within = ticket - first * tickets, width = min(side, heads - first);
        const int head = first + within % width, b = head / p.heads, turn = within / width;
        const int keyTiles = (sequenceOf(p, b).keys + BN - 1) / BN;
        if (p.cuQ != nullptr && turn + 1 >= keyTiles) atomicMax(next, (head + 1) * tickets);
        if (turn < keyTiles) return make_int4(keyTiles - 1 - turn, head % p.heads, b, 0);
    }
}

// ---- products ----------------------------------------------------------------------------------------

// s (64 keys x ROWS rows) = keys rows^T.
__device__ __forceinline__ void transposedScores(float (&s)[CT][4], u32 keys, u32 rows) {
    const u64 a = operandAt<ROW_BYTES>(keys), b = operandAt<ROW_BYTES>(rows);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) multiplyShared<Activation, 0, 0>(s, along(a, kk), along(b, kk), kk > 0);
    wgmmaCommit();
}

// acc (64 keys x D) += x rows, x (64 keys x ROWS rows) in registers.
__device__ __forceinline__ void accumulate(float (&acc)[DT][4], const u32 (&x)[CT][2], u32 rows, int keep) {
    const u64 b = operandAt<ROW_BYTES>(rows);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < ROWS / 16; kk++)
        multiplyRegisters<Activation, 1>(acc, x[kk * 2][0], x[kk * 2][1], x[kk * 2 + 1][0], x[kk * 2 + 1][1],
            alongTransposed<ROW_BYTES>(b, kk), kk > 0 ? 1 : keep);
    wgmmaCommit();
}

// dq (64 rows x D) = ds k over the keys of the tile; ds: the panel of these rows.
__device__ __forceinline__ void queryGradient(float (&dq)[DT][4], u32 ds, u32 keys) {
    const u64 a = operandAt<128>(ds), b = operandAt<ROW_BYTES>(keys);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < BN / 16; kk++)
        multiplyShared<Activation, 1, 1>(dq, alongTransposed<128>(a, kk), alongTransposed<ROW_BYTES>(b, kk), kk > 0);
    wgmmaCommit();
}

// ---- results -----------------------------------------------------------------------------------------

// Which scores of a warpgroup's 64 keys and 128 rows are kept.
struct KeptOfStep {
    KeptOfKeys half[2]; // of 64 rows
};

__device__ __forceinline__ KeptOfStep keptOfStep(const u8 *shared, int stage, int group) {
    KeptOfStep kept = {};
    if (DROPOUT) {
        const u32 *words = reinterpret_cast<const u32 *>(shared + KEPT_AT + stage * KEPT_BYTES) + group * KEPT_WORDS;
        kept.half[0] = keptOfKeys(words);
        kept.half[1] = keptOfKeys(words + 2 * KEPT_WORDS);
    }
    return kept;
}

// Packed: dropped p, and ds = p (dropped dp - delta). Both at once, so that they take the registers of p and dp.
__device__ __forceinline__ void scoreGradient(u32 (&dropped)[CT][2], u32 (&ds)[CT][2], const float (&p)[CT][4],
    float (&dp)[CT][4], const float4 *stats, const KeptOfStep &kept) {
    if (DROPOUT) {
        kept.half[0].drop(reinterpret_cast<float(&)[8][4]>(dp[0]));
        kept.half[1].drop(reinterpret_cast<float(&)[8][4]>(dp[8]));
    }
#pragma unroll
    for (int ct = 0; ct < CT; ct++) {
        const float4 st = stats[ct * 4 + (threadIdx.x & 3)];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            dropped[ct][half] = pack<Activation>(p[ct][half * 2], p[ct][half * 2 + 1]);
            if (DROPOUT) dropped[ct][half] &= kept.half[ct / 8].pair(ct % 8, half);
            float x[2];
#pragma unroll
            for (int e = 0; e < 2; e++) x[e] = p[ct][half * 2 + e] * (dp[ct][half * 2 + e] - (e ? st.w : st.y));
            ds[ct][half] = pack<Activation>(x[0], x[1]);
        }
    }
}

// ds^T to shared memory: two panels of (keys, 64 rows), 128 bytes a key.
__device__ __forceinline__ void storeScoreGradient(u32 to, const u32 (&ds)[CT][2], int warpKey) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int ct = 0; ct < CT; ct += 2)
        storeMatrix(to + ct / 8 * DS_PANEL + tileOffset<64>(warpKey + (lane & 15), ct % 8 + (lane >> 4)), ds[ct][0],
            ds[ct][1], ds[ct + 1][0], ds[ct + 1][1]);
}

// dq fragments of a warp to its warpgroup's stage, as they lie in the sums.
__device__ __forceinline__ void stageQueryGradient(u8 *stage, const float (&dq)[DT][4]) {
    float4 *to = reinterpret_cast<float4 *>(stage) + fragmentAt(threadIdx.x / 32 % 4, 0, threadIdx.x & 31) / 4;
#pragma unroll
    for (int f = 0; f < DT; f++) to[f * 32] = make_float4(dq[f][0], dq[f][1], dq[f][2], dq[f][3]);
}
