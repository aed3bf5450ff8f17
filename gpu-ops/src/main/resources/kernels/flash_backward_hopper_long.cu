// flash_backward_hopper_long.cu: the backward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 32 or 64, long sequences.
// FlashAttention-3, arXiv:2407.08608, in our own form: 5 products a tile, of 128 keys and 128 rows, where
// flash_backward_hopper.cu has 7. Two warpgroups, each with 64 of the keys. Per step: s^T = k q^T and dp^T = v dO^T, so that p^T and
// ds^T are at once the register operands of dv += p^T dO and dk += ds^T q; ds alone goes through shared memory, where both
// groups read it for dq = ds k, 64 rows each, one step later. The groups keep apart, so that one's exponentials hide behind
// the other's products. Two more warps load, another two add dq from shared memory to the sums in device memory.
// No product is in flight from one turn of the loop to the next: ptxas would serialize them all (C7514).
//
// There is a block a multiprocessor; each takes key tiles until none is left, and loads the next one's while it works on one. The
// tiles of a head add to one dq buffer in turns, the last tile first: row tile by row tile, when as many tiles have added as
// must come before. Tile 0, the last, adds what is there to its own dq and writes the gradient, so that no other kernel reads
// the sums. A tile waits only for tiles that were taken before it.
//
// What a key tile costs beside its steps (about a step's time) is why short sequences stay with flash_backward_hopper.cu.
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "flash_backward_hopper_long.cuh"

// ---- the loading warps -------------------------------------------------------------------------------

// 128 rows of a tensor, of which those at `rows` and beyond become zeros.
__device__ __forceinline__ void loadRows(u32 to, const Activation *from, i64 stride, int row, int rows) {
    constexpr int PER = LOADERS / CHUNKS;
    static_assert(PER % 8 == 0, "whole groups of 8 rows");
    const int thread = threadIdx.x % LOADERS, chunk = thread % CHUNKS, first = thread / CHUNKS;
    to += tileOffset<D>(first, chunk);
    row += first;
    const Activation *at = from + (i64)row * stride + chunk * 8;
#pragma unroll
    for (int i = 0; i < 128; i += PER) {
        copyAsync16(to + i * ROW_BYTES, row + i < rows ? at : from, row + i < rows);
        at += PER * stride;
    }
}

// Which scores of 128 keys and 128 rows are kept: tiles (rows, keys) of 64 each.
__device__ __forceinline__ void loadKept(const FlashAttention &p, const Work &work, u32 to, int row0) {
    if (!DROPOUT) return;
    const int thread = threadIdx.x % LOADERS, keyTiles = (p.keyLength + 63) / 64, key = work.tile * 2 + thread / 32;
    const u32 *from = keptTile(p, work.seq, work.b, work.h, row0, key * 64) + thread % 32 * 4;
#pragma unroll
    for (int i = 0; i < 2; i++)
        copyAsync16(to + (i * 2 * KEPT_WORDS + thread * 4) * 4, from + i * keyTiles * KEPT_WORDS, key < keyTiles);
}

__device__ __forceinline__ void loadKeys(
    const FlashAttention &p, const Work &work, u32 base, const Barriers &barriers, int item) {
    barrierWait(barriers.keysEmpty(item & 1), (item >> 1 & 1) ^ 1);
    const Activation *k = headOf(p.k, p.kAt, p, work.b, work.h, work.seq.keyStart);
    loadRows(base + (item & 1) * TILE_BYTES, k, p.kAt.row, work.tile * BN, work.seq.keys);
}

__device__ __forceinline__ void loadValues(
    const FlashAttention &p, const Work &work, u32 base, const Barriers &barriers, int item) {
    const int slot = item % VALUE_STAGES;
    barrierWait(barriers.valuesEmpty(slot), (item / VALUE_STAGES & 1) ^ 1);
    const Activation *v = headOf(p.v, p.vAt, p, work.b, work.h, work.seq.keyStart);
    loadRows(base + VALUES_AT + slot * TILE_BYTES, v, p.vAt.row, work.tile * BN, work.seq.keys);
}

__device__ __forceinline__ void loadTiles(const FlashAttention &p, u8 *shared, const Barriers &barriers) {
    const u32 base = sharedAddress(shared);
    int step = 0; // over all items
#pragma unroll 1
    for (int item = 0, steps = 0;; item++) {
        // The keys arrive under the last step of the item before.
        if (threadIdx.x % LOADERS == 0) {
            barrierWait(barriers.workEmpty(item), (item / WORKS & 1) ^ 1);
            *reinterpret_cast<int4 *>(shared + WORK_AT + item % WORKS * 16) = takeWork(p);
            barrierArriveEach(barriers.workFull(item));
        }
        const Work work = awaitWork(p, shared, barriers, item);
        // The keys that the next ones replace are read in the first step of an item, which must not wait for the next ones.
        if (steps == 1) {
            copyAsyncWait<0>();
            asyncProxyFence();
            barrierArriveEach(barriers.keysFull(~item & 1));
            barrierArriveEach(barriers.rowsFull((step - 1) & 1));
        }
        if (work.tile >= 0) {
            loadKeys(p, work, base, barriers, item);
            if (VALUE_STAGES == 2) loadValues(p, work, base, barriers, item);
        }
        copyAsyncCommit();
        if (steps > 1) {
            copyAsyncWait<1>();
            asyncProxyFence();
            barrierArriveEach(barriers.rowsFull((step - 1) & 1));
        }
        if (work.tile < 0) return;
        if (VALUE_STAGES == 1) loadValues(p, work, base, barriers, item);
        const Sequence &seq = work.seq;
        const Activation *q = headOf(p.q, p.qAt, p, work.b, work.h, seq.queryStart);
        const Activation *dO = headOf(p.dO, p.dOAt, p, work.b, work.h, seq.queryStart);
        const float2 *stats = p.stats + (i64)work.h * p.statsRows + statsStart(p, work.b, seq);
        steps = work.steps;
#pragma unroll 1
        for (int i = 0; i < steps; i++, step++) {
            const int stage = step & 1, row0 = (work.begin + i) * ROWS, thread = threadIdx.x % LOADERS;
            const u32 rows = base + ROWS_AT + stage * 2 * TILE_BYTES;
            barrierWait(barriers.rowsEmpty(stage), (step >> 1 & 1) ^ 1);
            loadRows(rows, q, p.qAt.row, row0, seq.queries);
            loadRows(rows + TILE_BYTES, dO, p.dOAt.row, row0, seq.queries);
            copyAsync16(base + STATS_AT + stage * STATS_BYTES + thread * 16, stats + row0 + thread * 2, true);
            loadKept(p, work, base + KEPT_AT + stage * KEPT_BYTES, row0);
            copyAsyncCommit();
            if (i + 1 == steps) continue; // waited for when the next item is known
            copyAsyncWait<0>();
            asyncProxyFence();
            if (i == 0) barrierArriveEach(barriers.keysFull(item & 1));
            barrierArriveEach(barriers.rowsFull(stage));
        }
    }
}

// ---- the adding warps --------------------------------------------------------------------------------

// The dq tiles of one warpgroup, each in its turn; those of tile 0 are the multipliers'.
__device__ __forceinline__ void addTiles(const FlashAttention &p, u8 *shared, const Barriers &barriers, int group) {
    const u32 dq = sharedAddress(shared) + DQ_AT + group * DQ_BYTES;
    int added = 0;
#pragma unroll 1
    for (int item = 0;; item++) {
        const Work work = awaitWork(p, shared, barriers, item);
        if (work.tile < 0) return;
        if (work.tile == 0) continue;
#pragma unroll 1
        for (int i = 0; i < work.steps; i++, added++) {
            const int row = (work.begin + i) * 2 + group;
            barrierWait(barriers.dqFull(group), added & 1);
            if ((threadIdx.x & 31) == 0)
                beginToAdd<DQ_BYTES>(work.sumOf(p, row), dq, work.turnOf(p, row), work.tilesOf(row) - 1 - work.tile);
            barrierArriveEach(barriers.dqEmpty(group));
            if ((threadIdx.x & 31) == 0) endToAdd(work.turnOf(p, row));
        }
    }
}

// ---- the multiplying warpgroups ------------------------------------------------------------------------

// The gradient of 64 rows that the other tiles have added to: their sum, and dq of tile 0.
__device__ __forceinline__ void finishQueryGradient(
    const FlashAttention &p, const Work &work, int row, float (&dq)[DT][4], u8 *stage) {
    const int before = work.tilesOf(row) - 1;
    if (before > 0) {
        awaitTurn(work.turnOf(p, row), before);
        const float *sum = work.sumOf(p, row) + fragmentAt(threadIdx.x / 32 % 4, 0, threadIdx.x & 31);
        float4 x[DT];
#pragma unroll
        for (int f = 0; f < DT; f++) x[f] = loadPartial(sum + fragmentAt(0, f, 0));
#pragma unroll
        for (int f = 0; f < DT; f++) {
            dq[f][0] += x[f].x;
            dq[f][1] += x[f].y;
            dq[f][2] += x[f].z;
            dq[f][3] += x[f].w;
        }
    }
    __syncwarp(); // it has read the stage
    writeGradient(headOf(p.dq, p.dqAt, p, work.b, work.h, work.seq.queryStart), p.dqAt.row, dq,
        p.scale * keepScaleOf(p), stage, threadIdx.x / 32 % 4 * 16, row * BM, work.seq.queries);
}

// Rows before those that see a key: dq = 0.
__device__ __forceinline__ void clearBlindRows(const FlashAttention &p, const Work &work) {
    Activation *dq = headOf(p.dq, p.dqAt, p, work.b, work.h, work.seq.queryStart);
    for (int i = threadIdx.x; i < min(work.seq.queries, work.begin * ROWS) * CHUNKS; i += MULTIPLIERS)
        *reinterpret_cast<uint4 *>(dq + (i64)(i / CHUNKS) * p.dqAt.row + i % CHUNKS * 8) = make_uint4(0, 0, 0, 0);
}

// The dq tile of a step, one step later.
struct Pending {
    int4 at;  // what the block took
    int row;  // tile of 64
    u32 keys; // where they lie
};

// To the adding warp, or, of tile 0, to the gradient.
__device__ __forceinline__ void passQueryGradient(const FlashAttention &p, const Pending &pending, float (&dq)[DT][4],
    u8 *stage, const Barriers &barriers, int group, int &passed) {
    barrierWait(barriers.dqEmpty(group), passed & 1 ^ 1);
    if (pending.at.x == 0) {
        finishQueryGradient(p, workOf(p, pending.at), pending.row, dq, stage);
    } else {
        stageQueryGradient(stage, dq);
        asyncProxyFence();
        barrierArriveEach(barriers.dqFull(group));
        passed++;
    }
}

__device__ __forceinline__ void multiplyTiles(const FlashAttention &p, u8 *shared, const Barriers &barriers) {
    const u32 base = sharedAddress(shared);
    const int warp = threadIdx.x >> 5, group = __shfl_sync(0xffffffffu, warp >> 2, 0), warpKey = warp * 16;
    u8 *dqStage = shared + DQ_AT + group * DQ_BYTES;
    int step = 0, passed = 0; // over all items; dq tiles given to the adding warp
    Pending pending = {{}, 0, base};
#pragma unroll 1
    for (int item = 0;; item++) {
        barrierWait(barriers.workFull(item), item / WORKS & 1);
        int key0, steps, rows0;
        Sequence seq; // its keys and offset: the loop has no registers to spare
        {
            const Work work = workOf(p, workAt(shared, item));
            if (work.tile < 0) break;
            key0 = work.tile * BN, steps = work.steps, rows0 = work.begin * ROWS;
            seq.keys = work.seq.keys, seq.offset = work.seq.offset;
        }
        const int slot = item & 1, valueSlot = item % VALUE_STAGES;
        const u32 keys = base + slot * TILE_BYTES, ownKeys = keys + group * 64 * ROW_BYTES;
        const u32 ownValues = base + VALUES_AT + valueSlot * TILE_BYTES + group * 64 * ROW_BYTES;
        float dk[DT][4], dv[DT][4];
        barrierWait(barriers.keysFull(slot), item >> 1 & 1);
#pragma unroll 1
        for (int i = 0; i < steps; i++, step++) {
            const int stage = step & 1, other = stage ^ 1, turn = step >> 1 & 1, row0 = rows0 + i * ROWS;
            const u32 rows = base + ROWS_AT + stage * 2 * TILE_BYTES;
            const float4 *stats = reinterpret_cast<const float4 *>(shared + STATS_AT + stage * STATS_BYTES);
            float s[CT][4], dp[CT][4], dq[DT][4];
            u32 dropped[CT][2], ds[CT][2];
            barrierWait(barriers.rowsFull(stage), turn);
            if (group == 1 || step > 0) groupSync(1 + group, MULTIPLIERS);
            transposedScores(s, ownKeys, rows);
            transposedScores(dp, ownValues, rows + TILE_BYTES);
            const KeptOfStep kept = keptOfStep(shared, stage, group);
            wgmmaWait<1>();
            settle(s);
            groupArrive(2 - group, MULTIPLIERS);
            keyProbabilities(s, stats, p.scale * LOG2_E);
            if (key0 + BN > seq.keys || (CAUSAL && key0 + BN - 1 > row0 + seq.offset))
                maskKeys(s, seq, key0 + warpKey, row0);
            wgmmaWait<0>();
            settle(dp);
            scoreGradient(dropped, ds, s, dp, stats, kept);
            accumulate(dv, dropped, rows + TILE_BYTES, i > 0);
            accumulate(dk, ds, rows, i > 0);
            if (step > 0) barrierWait(barriers.dsFull(other), (step - 1) >> 1 & 1);
            // at first of whatever lies there, not used
            queryGradient(dq, base + DS_AT + other * DS_BYTES + group * DS_PANEL, pending.keys);
            barrierWait(barriers.dsEmpty(stage), turn ^ 1);
            storeScoreGradient(base + DS_AT + stage * DS_BYTES, ds, warpKey);
            asyncProxyFence();
            barrierArriveEach(barriers.dsFull(stage));
            wgmmaWait<0>();
            settle(dk);
            settle(dv);
            settle(dq);
            barrierArriveEach(barriers.rowsEmpty(stage));
            if (step > 0) {
                barrierArriveEach(barriers.dsEmpty(other));
                if (i == 0) barrierArriveEach(barriers.keysEmpty(slot ^ 1));
                passQueryGradient(p, pending, dq, dqStage, barriers, group, passed);
            }
            if (i == 0) pending.at = workAt(shared, item);
            pending.row = row0 / BM + group, pending.keys = keys;
        }
        const Work work = workOf(p, workAt(shared, item));
        barrierArriveEach(barriers.workEmpty(item));
        u8 *own = shared + VALUES_AT + valueSlot * TILE_BYTES; // this group's half
        const float factor = keepScaleOf(p);
        __syncwarp();
        writeGradient(headOf(p.dv, p.dvAt, p, work.b, work.h, work.seq.keyStart), p.dvAt.row, dv, factor, own, warpKey,
            key0, seq.keys);
        __syncwarp(); // it has read what dk replaces
        writeGradient(headOf(p.dk, p.dkAt, p, work.b, work.h, work.seq.keyStart), p.dkAt.row, dk, p.scale * factor, own,
            warpKey, key0, seq.keys);
        if (key0 == 0) clearBlindRows(p, work);
        barrierArriveEach(barriers.valuesEmpty(valueSlot));
    }
    if (step == 0) return;
    const int stage = (step - 1) & 1;
    float dq[DT][4];
    barrierWait(barriers.dsFull(stage), (step - 1) >> 1 & 1);
    queryGradient(dq, base + DS_AT + stage * DS_BYTES + group * DS_PANEL, pending.keys);
    wgmmaWait<0>();
    settle(dq);
    passQueryGradient(p, pending, dq, dqStage, barriers, group, passed);
    if (group == 0) groupSync(1, MULTIPLIERS); // the other group's last arrival
}

extern "C" __global__ void __launch_bounds__(BACKWARD_THREADS, 1) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const Barriers barriers = {sharedAddress(shared) + BARRIERS_AT};
    if (threadIdx.x == 0) barriers.setUp();
    __syncthreads();
    const int warp = __shfl_sync(0xffffffffu, threadIdx.x >> 5, 0);
    if (warp >= MULTIPLIERS / 32) {
        giveRegisters<56>();
        if (warp < (MULTIPLIERS + LOADERS) / 32) loadTiles(p, shared, barriers);
        else addTiles(p, shared, barriers, warp - (MULTIPLIERS + LOADERS) / 32);
    } else {
        takeRegisters<224>();
        multiplyTiles(p, shared, barriers);
    }
}
#endif
