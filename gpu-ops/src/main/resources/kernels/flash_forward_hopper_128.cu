// flash_forward_hopper_128.cu: the forward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 128, without dropout.
// FlashAttention-3, arXiv:2407.08608, in our own form: a block has 128 rows, 64 for each of two warpgroups, which take turns
// to issue their products, so that one's exponentials hide behind the other's products; within a warpgroup s of the next
// key tile is under way while p v of this one is. A third warpgroup loads key tiles of 128 into two stages each for k and v.
// On other architectures this file is empty.
#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define FORWARD_M 128
#define FORWARD_N 128
#define FORWARD_WARPS 8 // that multiply
#define FORWARD_THREADS 384
#define FORWARD_SHARED ((FORWARD_M + 4 * FORWARD_N) * HEAD_DIM * 2 + 64)
#include "flash_forward_probabilities.cuh"
#include "wgmma.cuh"

static_assert(D == 128 && !DROPOUT, "flash_forward.cu takes the rest");
constexpr int GROUP_BYTES = 64 * D * 2, TILE_BYTES = FORWARD_N * D * 2;
constexpr int GROUP_PANEL = GROUP_BYTES / 2, TILE_PANEL = TILE_BYTES / 2;

// Where the stages and their barriers lie: k's two, then v's two.
struct Stages {
    u32 tiles, barriers;
    __device__ __forceinline__ u32 tile(int value, int stage) const { return tiles + (value * 2 + stage) * TILE_BYTES; }
    __device__ __forceinline__ u32 full(int value, int stage) const { return barriers + (value * 2 + stage) * 16; }
    __device__ __forceinline__ u32 empty(int value, int stage) const { return full(value, stage) + 8; }
};

// s = q k^T for the warpgroup's 64 rows and one key tile.
__device__ __forceinline__ void scores(float (&s)[FORWARD_NT][4], u32 qRows, u32 keys) {
    const u64 a = operandAt<128>(qRows), b = operandAt<128>(keys);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++)
        multiplyShared<Activation, 0, 0>(s, alongPanels<GROUP_PANEL>(a, kk), alongPanels<TILE_PANEL>(b, kk), kk > 0);
    wgmmaCommit();
}

// o += p v.
__device__ __forceinline__ void values(float (&o)[D / 8][4], const u32 (&p)[FORWARD_NT][2], u32 values) {
    const u64 b = panelsAt<TILE_PANEL>(values);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < FORWARD_N / 16; kk++)
        multiplyRegisters<Activation, 1>(
            o, p[kk * 2][0], p[kk * 2][1], p[kk * 2 + 1][0], p[kk * 2 + 1][1], alongTransposed<128>(b, kk), 1);
    wgmmaCommit();
}

__device__ __forceinline__ void packRows(u32 (&to)[FORWARD_NT][2], const float (&p)[FORWARD_NT][4]) {
#pragma unroll
    for (int nt = 0; nt < FORWARD_NT; nt++) {
        to[nt][0] = pack<Activation>(p[nt][0], p[nt][1]);
        to[nt][1] = pack<Activation>(p[nt][2], p[nt][3]);
    }
}

// The loading warpgroup: k of each tile, then v of the one before. A tile is announced when the next is on its way.
__device__ __forceinline__ void loadTiles(
    const FlashAttention &p, const Sequence &seq, const Stages &stages, int tiles) {
    const Activation *k = headOf(p.k, p.kAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const Activation *v = headOf(p.v, p.vAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    u32 announce = 0;
#pragma unroll 1
    for (int i = 0; i < 2 * tiles; i++) {
        const int value = i == 2 * tiles - 1 || (i > 1 && i % 2 == 0); // k0 k1 v0 k2 v1 ... v
        const int turn = value ? (i - 1) / 2 : (i + 1) / 2, stage = turn & 1;
        barrierWait(stages.empty(value, stage), (turn >> 1 & 1) ^ 1);
        loadPanels<FORWARD_N, 128>(stages.tile(value, stage), value ? v : k, value ? p.vAt.row : p.kAt.row,
            (tiles - 1 - turn) * FORWARD_N, seq.keys);
        copyAsyncCommit();
        copyAsyncWait<1>();
        asyncProxyFence();
        if (i > 0) barrierArrive(announce);
        announce = stages.full(value, stage);
    }
    copyAsyncWait<0>();
    asyncProxyFence();
    barrierArrive(announce);
}

// A multiplying warpgroup: its 64 rows against all tiles, the last first.
__device__ __forceinline__ void multiplyTiles(const FlashAttention &p, const Sequence &seq, const Stages &stages,
    int tiles, int row0, int group, Rows &rows, u32 qRows) {
    const int warpRow = row0 + (threadIdx.x >> 5) * 16, groupRow = row0 + group * 64;
    const int unmasked = min(seq.keys, CAUSAL ? groupRow + seq.offset + 1 : seq.keys) / FORWARD_N; // tiles seen whole
    const float c = p.scale * LOG2_E;
    float s[FORWARD_NT][4], shrink[2];
    u32 half[FORWARD_NT][2];
    const auto softmax = [&](int tile) {
        if (tile >= unmasked) return probabilities<true>(s, rows, shrink, warpRow, tile * FORWARD_N, seq, c);
        return probabilities<false>(s, rows, shrink, warpRow, tile * FORWARD_N, seq, c);
    };
    barrierWait(stages.full(0, 0), 0);
    scores(s, qRows, stages.tile(0, 0));
    wgmmaWait<0>();
    settle(s);
    barrierArrive(stages.empty(0, 0));
    softmax(tiles - 1); // o is still 0
    packRows(half, s);
    if (group == 1 && tiles > 1) groupArrive(1, 256); // the first turn is group 0's
#pragma unroll 1
    for (int turn = 1; turn < tiles; turn++) {
        const int stage = turn & 1, before = stage ^ 1;
        barrierWait(stages.full(0, stage), turn >> 1 & 1);
        groupSync(1 + group, 256);
        scores(s, qRows, stages.tile(0, stage));
        barrierWait(stages.full(1, before), (turn - 1) >> 1 & 1);
        values(rows.o[0], half, stages.tile(1, before));
        if (group == 0 || turn + 1 < tiles) groupArrive(2 - group, 256);
        wgmmaWait<1>();
        settle(s);
        barrierArrive(stages.empty(0, stage));
        const bool moved = softmax(tiles - 1 - turn);
        wgmmaWait<0>();
        settle(rows.o[0]);
        barrierArrive(stages.empty(1, before));
        if (moved) shrinkOutput(rows, shrink);
        packRows(half, s);
    }
    barrierWait(stages.full(1, (tiles - 1) & 1), (tiles - 1) >> 1 & 1);
    values(rows.o[0], half, stages.tile(1, (tiles - 1) & 1));
    wgmmaWait<0>();
    settle(rows.o[0]);
}

extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, 1) flash_attention_forward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const int row0 = (gridDim.x - 1 - blockIdx.x) * FORWARD_M; // the longest rows first
    if (row0 >= seq.queries) return;
    const u32 qTile = sharedAddress(shared);
    const Stages stages = {qTile + 2 * GROUP_BYTES, qTile + 2 * GROUP_BYTES + 4 * TILE_BYTES};
    const int group = __shfl_sync(0xffffffffu, threadIdx.x >> 7, 0);
    const int seen = CAUSAL ? min(seq.keys, row0 + FORWARD_M + seq.offset) : seq.keys;
    const int tiles = max(0, (seen + FORWARD_N - 1) / FORWARD_N); // 0: these rows see nothing
    if (threadIdx.x < 4) {
        barrierSetUp(stages.full(0, threadIdx.x), 4);
        barrierSetUp(stages.empty(0, threadIdx.x), FORWARD_WARPS);
        barriersReady();
    }
    __syncthreads();
    if (group == 2) {
        giveRegisters<24>();
        if (tiles > 0) loadTiles(p, seq, stages, tiles);
    } else {
        takeRegisters<240>();
        const u32 qRows = qTile + group * GROUP_BYTES;
        Rows rows;
        clear(rows);
        if (tiles > 0) {
            loadPanels<64, 128>(qRows, headOf(p.q, p.qAt, p, blockIdx.z, blockIdx.y, seq.queryStart), p.qAt.row,
                row0 + group * 64, seq.queries);
            copyAsyncCommit();
            copyAsyncWait<0>();
            asyncProxyFence();
            groupSync(3 + group, 128);
            multiplyTiles(p, seq, stages, tiles, row0, group, rows, qRows);
            groupSync(3 + group, 128); // all warps of the group have read the q rows that o replaces
        }
        finishRows(p, rows, seq, row0, shared, 1.0f);
    }
}
#endif
