// flash_forward_hopper.cu: the forward pass of flash_attention.cuh on wgmma (sm_90a), head dimension 32 or 64: two warpgroups,
// each with 64 of a block's 128 rows, over key tiles of 64; two blocks a multiprocessor, so that the exponentials of some
// warpgroups hide behind the products of others. Keys and values load two tiles ahead.
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define FORWARD_M 128
#define FORWARD_N 64
#define FORWARD_WARPS 8
#define FORWARD_STAGES 3
#define FORWARD_SHARED ((FORWARD_M + 2 * FORWARD_STAGES * FORWARD_N) * HEAD_DIM * 2)
#include "flash_forward.cuh"
#include "flash_dropout.cuh"
#include "wgmma.cuh"

static_assert(D == 32 || D == 64, "head dimension");
constexpr int ROW_BYTES = D * 2, KEY_BYTES = FORWARD_N * ROW_BYTES, STAGE_BYTES = 2 * KEY_BYTES;

// s = q k^T for the warpgroup's 64 rows and one key tile, begun.
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

extern "C" __global__ void __launch_bounds__(256, 2) flash_attention_forward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const int row0 = (gridDim.x - 1 - blockIdx.x) * FORWARD_M; // the longest rows first
    if (row0 >= seq.queries) return;
    const Activation *q = headOf(p.q, p.qAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
    const Activation *k = headOf(p.k, p.kAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const Activation *v = headOf(p.v, p.vAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const u32 qTile = sharedAddress(shared), stages = qTile + FORWARD_M * ROW_BYTES;
    const int warp = threadIdx.x >> 5, group = __shfl_sync(0xffffffffu, warp >> 2, 0);
    const int warpRow = row0 + warp * 16, groupRow = row0 + group * 64;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);

    Rows rows;
    clear(rows);
    const int seen = CAUSAL ? min(seq.keys, row0 + FORWARD_M + seq.offset) : seq.keys;
    int tile = (seen + FORWARD_N - 1) / FORWARD_N - 1; // negative: these rows see nothing
    const auto loadKeys = [&](int at, int stage) {
        if (at >= 0) {
            loadTile<FORWARD_N, 256>(stages + stage * STAGE_BYTES, k, p.kAt.row, at * FORWARD_N, seq.keys);
            loadTile<FORWARD_N, 256>(stages + stage * STAGE_BYTES + KEY_BYTES, v, p.vAt.row, at * FORWARD_N, seq.keys);
        }
        copyAsyncCommit();
    };
    if (seen > 0) loadTile<FORWARD_M, 256>(qTile, q, p.qAt.row, row0, seq.queries);
    else tile = -1;
    loadKeys(tile, 0);
    loadKeys(tile - 1, 1);
    const int unmasked = min(seq.keys, CAUSAL ? groupRow + seq.offset + 1 : seq.keys) / FORWARD_N; // tiles seen whole
    const int groupTiles = CAUSAL ? (groupRow + 63 + seq.offset) / FORWARD_N : tile; // past it this group sees nothing
    int stage = 0;
#pragma unroll 1
    for (; tile >= 0; tile--) {
        copyAsyncWait<1>();
        asyncProxyFence();
        __syncthreads();
        loadKeys(tile - 2, stage == 0 ? 2 : stage - 1);
        if (tile <= groupTiles) {
            float s[1][FORWARD_NT][4];
            const u32 keys = stages + stage * STAGE_BYTES;
            const int column0 = tile * FORWARD_N;
            scores(s[0], qTile + group * 64 * ROW_BYTES, keys);
            const Kept kept = {DROPOUT ? drawLane(drop, plane, warpRow, column0) : 0};
            wgmmaWait<0>();
            settle(s[0]);
            if (tile >= unmasked) softmaxStep<true>(s, rows, warpRow, column0, seq, p.scale * LOG2_E);
            else softmaxStep<false>(s, rows, warpRow, column0, seq, p.scale * LOG2_E);
            values(rows.o[0], s[0], kept, keys + KEY_BYTES);
        }
        stage = stage == 2 ? 0 : stage + 1;
    }
    copyAsyncWait<0>();
    __syncthreads(); // the other warps of the group have read the q rows that o replaces
    finishRows(p, rows, seq, row0, shared, DROPOUT ? drop.keepScale : 1.0f);
}
#endif
