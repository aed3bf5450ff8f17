// flash_backward_hopper_128.cu: the backward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 128, without
// dropout. FlashAttention-3, arXiv:2407.08608, in our own form: two warpgroups, each with 64 of a tile's 128 keys. Per tile of
// 64 rows: s^T = k q^T and dp^T = v dO^T, so that p^T and ds^T are at once the register operands of dv += p^T dO and
// dk += ds^T q; ds alone goes through shared memory, where both groups read it for dq = ds k, 64 columns each, one step later.
// The groups keep half a step apart, so that one's exponentials hide behind the other's products (on one H100 1433 us
// against 1616 in step). Two more warps load rows, another two add dq from shared memory to the sums in device memory.
// No product is in flight from one turn of the loop to the next: ptxas would serialize them all (C7514).
//
// A block has one key tile, and the tiles of a head add to one dq buffer in turns, the last tile first: row tile by row tile,
// when as many tiles have added as must come before. So few heads are at work at a time and their dq stays in the L2 cache
// (with a block a head, as in flash_backward_hopper.cu, device memory was the limit); with the causal mask a tile seldom
// waits, as it meets a row two steps after the tile before it. Blocks take the tiles of their head in the order in which they
// begin: one that waits, waits for blocks that have begun.
// On other architectures this file is empty.
#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "flash_backward_keys.cuh"
#include "wgmma.cuh"

constexpr int BM = 64, BN = 128;
constexpr int CT = BM / 8;
constexpr int KEYS_BYTES = BN * D * 2, ROWS_BYTES = BM * D * 2, KEYS_PANEL = KEYS_BYTES / 2,
              ROWS_PANEL = ROWS_BYTES / 2;
constexpr int DS_BYTES = BN * BM * 2; // (128 keys, 64 rows)
constexpr int DQ_BYTES = BM * D * 4;  // as in the sums
constexpr int STATS_BYTES = BM * 8;
// two stages of everything but the keys
constexpr int ROWS_AT = 2 * KEYS_BYTES, DS_AT = ROWS_AT + 4 * ROWS_BYTES, DQ_AT = DS_AT + 2 * DS_BYTES;
constexpr int STATS_AT = DQ_AT + 2 * DQ_BYTES, BARRIERS_AT = STATS_AT + 2 * STATS_BYTES, TICKET_AT = BARRIERS_AT + 96;
constexpr int BACKWARD_SHARED = TICKET_AT + 16;
constexpr int MULTIPLIERS = 256, LOADERS = 64;
constexpr int QWM = 4, QT = 1, DT = 8; // dq: 64 rows and 64 columns a warpgroup
static_assert(D == 128 && !DROPOUT, "flash_backward.cu takes the rest");

#define BACKWARD_TURNS 1
#define BACKWARD_THREADS 384
#include "flash_backward_turns.cuh"
#include "flash_backward_hopper_128.cuh"

// What a block works on: one key tile and the row tiles that see it.
struct Work {
    int tile, keyTiles, begin, rowTiles;
};

// The loading warps: the keys with the first rows.
__device__ __forceinline__ void loadTiles(
    const FlashAttention &p, const Head &head, const Work &work, u32 shared, const Barriers &barriers) {
    loadPanels<BN, LOADERS>(shared, head.k, p.kAt.row, work.tile * BN, head.seq.keys);
    loadPanels<BN, LOADERS>(shared + KEYS_BYTES, head.v, p.vAt.row, work.tile * BN, head.seq.keys);
#pragma unroll 1
    for (int row = work.begin, i = 0; row < work.rowTiles; row++, i++) {
        const int stage = i & 1, row0 = row * BM;
        const u32 rows = shared + ROWS_AT + stage * 2 * ROWS_BYTES;
        barrierWait(barriers.rowsEmpty(stage), (i >> 1 & 1) ^ 1);
        loadPanels<BM, LOADERS>(rows, head.q, p.qAt.row, row0, head.seq.queries);
        loadPanels<BM, LOADERS>(rows + ROWS_BYTES, head.dO, p.dOAt.row, row0, head.seq.queries);
        const int thread = threadIdx.x % LOADERS;
        if (thread < BM / 2)
            copyAsync16(shared + STATS_AT + stage * STATS_BYTES + thread * 16, head.stats + row0 + thread * 2, true);
        copyAsyncCommit();
        copyAsyncWait<0>();
        asyncProxyFence();
        barrierArriveEach(barriers.rowsFull(stage));
    }
}

// An adding warp: the dq tiles of one stage, each in its turn. There is one for each stage: an addition takes as long as a
// step of the multipliers, who would wait for a single warp (on one H200 1568 us against 1424).
__device__ __forceinline__ void addTiles(
    const FlashAttention &p, const Head &head, const Work &work, u32 shared, const Barriers &barriers, int stage) {
    int *turns = turnsOf(p, blockIdx.z, headOfBlock(p), head.seq);
#pragma unroll 1
    for (int row = work.begin + stage, i = stage; row < work.rowTiles; row += 2, i += 2) {
        const int last =
            CAUSAL ? min(work.keyTiles - 1, (row * BM + BM - 1 + head.seq.offset) / BN) : work.keyTiles - 1;
        const int before = last - work.tile; // as many tiles add to this row tile before this one
        const u32 dq = shared + DQ_AT + stage * DQ_BYTES;
        float *sum = head.partial + (i64)row * (BM * D);
        barrierWait(barriers.dqFull(stage), i >> 1 & 1);
        if ((threadIdx.x & 31) == 0) beginToAdd<DQ_BYTES>(sum, dq, turns + row, before);
        barrierArriveEach(barriers.dqEmpty(stage));
        if ((threadIdx.x & 31) == 0) endToAdd(turns + row);
    }
}

// The multiplying warpgroups.
__device__ __forceinline__ void multiplyTiles(
    const FlashAttention &p, const Sequence &seq, const Work &work, u8 *shared, const Barriers &barriers) {
    const u32 base = sharedAddress(shared);
    const int warp = threadIdx.x >> 5, group = __shfl_sync(0xffffffffu, warp >> 2, 0);
    const int key0 = work.tile * BN, warpKey = warp * 16, g = (threadIdx.x & 31) >> 2;
    const u32 ownKeys = base + group * 64 * 128, columns = base + group * KEYS_PANEL;
    const int steps = work.rowTiles - work.begin;
    float dk[D / 8][4], dv[D / 8][4];
#pragma unroll 1
    for (int i = 0; i < steps; i++) {
        const int stage = i & 1, other = stage ^ 1, turn = i >> 1 & 1, turnBefore = (i - 1) >> 1 & 1,
                  row0 = (work.begin + i) * BM;
        const u32 rows = base + ROWS_AT + stage * 2 * ROWS_BYTES;
        const float4 *stats = reinterpret_cast<const float4 *>(shared + STATS_AT + stage * STATS_BYTES);
        float s[CT][4], dp[CT][4], dq[DT][4];
        u32 half[CT][2], ds[CT][2];
        barrierWait(barriers.rowsFull(stage), turn);
        if (group == 1 || i > 0) groupSync(1 + group, MULTIPLIERS);
        transposedScores(s, ownKeys, rows);
        transposedScores(dp, ownKeys + KEYS_BYTES, rows + ROWS_BYTES);
        wgmmaWait<1>();
        settle(s);
        keyProbabilities(s, stats, p.scale * LOG2_E);
        if (key0 + BN > seq.keys || (CAUSAL && key0 + BN - 1 > row0 + seq.offset))
            maskKeys(s, seq, key0 + warpKey, row0);
        packTile(half, s);
        accumulate(dv, half, rows + ROWS_BYTES, i > 0);
        if (group == 0 || i + 1 < steps) groupArrive(2 - group, MULTIPLIERS);

        wgmmaWait<1>();
        settle(dp);
        scoreGradient(ds, s, dp, stats);
        accumulate(dk, ds, rows, i > 0);
        if (i > 0) barrierWait(barriers.dsFull(other), turnBefore);
        queryGradient(dq, base + DS_AT + other * DS_BYTES, columns); // at first of whatever lies there, not used
        barrierWait(barriers.dsEmpty(stage), turn ^ 1);
        storeScoreGradient(base + DS_AT + stage * DS_BYTES, ds, warpKey);
        wgmmaWait<0>();
        settle(dk);
        settle(dv);
        settle(dq);
        barrierArriveEach(barriers.rowsEmpty(stage));
        if (i > 0) {
            barrierArriveEach(barriers.dsEmpty(other));
            barrierWait(barriers.dqEmpty(other), turnBefore ^ 1);
            stageQueryGradient(shared + DQ_AT + other * DQ_BYTES, dq);
        }
        asyncProxyFence();
        barrierArriveEach(barriers.dsFull(stage));
        if (i > 0) barrierArriveEach(barriers.dqFull(other));
    }
    const int stage = (steps - 1) & 1, turn = (steps - 1) >> 1 & 1;
    float dq[DT][4];
    barrierWait(barriers.dsFull(stage), turn);
    queryGradient(dq, base + DS_AT + stage * DS_BYTES, columns);
    writeKeyGradient(ownHead(p, p.dv, p.dvAt, p.cuK), p.dvAt.row, dv, key0 + warpKey + g, seq.keys, 1.0f);
    writeKeyGradient(ownHead(p, p.dk, p.dkAt, p.cuK), p.dkAt.row, dk, key0 + warpKey + g, seq.keys, p.scale);
    wgmmaWait<0>();
    settle(dq);
    barrierWait(barriers.dqEmpty(stage), turn ^ 1);
    stageQueryGradient(shared + DQ_AT + stage * DQ_BYTES, dq);
    asyncProxyFence();
    barrierArriveEach(barriers.dqFull(stage));
}

extern "C" __global__ void __launch_bounds__(BACKWARD_THREADS, 1) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const Head head = backwardHead(p, seq, 0);
    const u32 base = sharedAddress(shared);
    const Barriers barriers = {base + BARRIERS_AT};
    int *ticket = reinterpret_cast<int *>(shared + TICKET_AT);
    if (threadIdx.x == 0) {
        *ticket = atomicAdd(ticketOf(p, blockIdx.z, headOfBlock(p)), 1);
#pragma unroll
        for (int stage = 0; stage < 2; stage++) {
            barrierSetUp(barriers.rowsFull(stage), LOADERS);
            barrierSetUp(barriers.rowsEmpty(stage), MULTIPLIERS);
            barrierSetUp(barriers.dsFull(stage), MULTIPLIERS);
            barrierSetUp(barriers.dsEmpty(stage), MULTIPLIERS);
            barrierSetUp(barriers.dqFull(stage), MULTIPLIERS);
            barrierSetUp(barriers.dqEmpty(stage), 32);
        }
        barriersReady();
    }
    __syncthreads();
    Work work;
    work.keyTiles = (seq.keys + BN - 1) / BN;
    work.tile = work.keyTiles - 1 - *ticket;
    work.rowTiles = (seq.queries + BM - 1) / BM;
    if (work.tile < 0) return;
    if (work.rowTiles == 0) {
        clearKeyGradients(p, head, work.tile * BN);
        return;
    }
    work.begin = firstRowTile(seq, work.tile * BN);
    const int warp = __shfl_sync(0xffffffffu, threadIdx.x >> 5, 0);
    if (warp >= MULTIPLIERS / 32) {
        giveRegisters<24>();
        if (warp < (MULTIPLIERS + LOADERS) / 32) loadTiles(p, head, work, base, barriers);
        else addTiles(p, head, work, base, barriers, warp - (MULTIPLIERS + LOADERS) / 32);
    } else {
        takeRegisters<240>();
        multiplyTiles(p, seq, work, shared, barriers);
    }
}
#endif
