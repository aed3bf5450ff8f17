// flash_forward.cu: the forward pass of flash_attention.cuh through mma.sync m16n8k16 (sm_80 and later).
#ifndef FORWARD_M
#define FORWARD_M (HEAD_DIM == 64 || HEAD_DIM == 256 ? 64 : 128)
#endif
#ifndef FORWARD_N
#define FORWARD_N 64
#endif
#ifndef FORWARD_WARPS
#define FORWARD_WARPS 4
#endif
#ifndef FORWARD_BLOCKS // thread blocks that must fit a multiprocessor's registers
#define FORWARD_BLOCKS (HEAD_DIM == 64 ? (DROPOUT ? 3 : 4) : HEAD_DIM == 32 && !DROPOUT ? 3 : 2)
#endif
#define FORWARD_SHARED ((FORWARD_M + 2 * FORWARD_N) * TILE_DEPTH * 2)
#include "flash_forward.cuh"

// s = q k^T for the warp's rows and one key tile.
__device__ __forceinline__ void scores(float (&s)[FORWARD_MT][FORWARD_NT][4], u32 qTile, u32 kTile) {
    const int lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * FORWARD_MT * 16;
    const int aRow = lane & 15, aChunk = lane >> 4;
    const int bRow = (lane & 7) + ((lane >> 4) << 3), bChunk = (lane >> 3) & 1;
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++)
#pragma unroll
        for (int nt = 0; nt < FORWARD_NT; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[mt][nt][e] = 0.0f;
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) {
        u32 a[FORWARD_MT][4];
#pragma unroll
        for (int mt = 0; mt < FORWARD_MT; mt++)
            loadMatrix(a[mt], qTile + tileOffset<TILE_DEPTH>(warpRow + mt * 16 + aRow, kk * 2 + aChunk));
#pragma unroll
        for (int nn = 0; nn < FORWARD_N / 16; nn++) {
            u32 b[4];
            loadMatrix(b, kTile + tileOffset<TILE_DEPTH>(nn * 16 + bRow, kk * 2 + bChunk));
#pragma unroll
            for (int mt = 0; mt < FORWARD_MT; mt++) {
                multiply<Activation>(s[mt][nn * 2], a[mt], b[0], b[1]);
                multiply<Activation>(s[mt][nn * 2 + 1], a[mt], b[2], b[3]);
            }
        }
    }
}

// o += half(p) v.
__device__ __forceinline__ void values(Rows &rows, const float (&p)[FORWARD_MT][FORWARD_NT][4], u32 vTile) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int kk = 0; kk < FORWARD_N / 16; kk++) {
        u32 a[FORWARD_MT][4];
#pragma unroll
        for (int mt = 0; mt < FORWARD_MT; mt++) {
            a[mt][0] = pack<Activation>(p[mt][kk * 2][0], p[mt][kk * 2][1]);
            a[mt][1] = pack<Activation>(p[mt][kk * 2][2], p[mt][kk * 2][3]);
            a[mt][2] = pack<Activation>(p[mt][kk * 2 + 1][0], p[mt][kk * 2 + 1][1]);
            a[mt][3] = pack<Activation>(p[mt][kk * 2 + 1][2], p[mt][kk * 2 + 1][3]);
        }
#pragma unroll
        for (int dd = 0; dd < D / 16; dd++) {
            u32 b[4];
            loadMatrixTransposed(b, vTile + tileOffset<TILE_DEPTH>(kk * 16 + (lane & 15), dd * 2 + (lane >> 4)));
#pragma unroll
            for (int mt = 0; mt < FORWARD_MT; mt++) {
                multiply<Activation>(rows.o[mt][dd * 2], a[mt], b[0], b[1]);
                multiply<Activation>(rows.o[mt][dd * 2 + 1], a[mt], b[2], b[3]);
            }
        }
    }
}

// One key tile; the next key tile loads behind the softmax, this value tile behind the scores.
template <bool MASKED>
__device__ __forceinline__ void forwardStep(const FlashAttention &p, const Sequence &seq, const Dropout &drop,
    const DropoutPlane &plane, Rows &rows, const Activation *k, const Activation *v, u32 qTile, int tile, int warpRow) {
    constexpr int THREADS = FORWARD_WARPS * 32;
    const u32 kTile = qTile + FORWARD_M * TILE_DEPTH * 2, vTile = kTile + FORWARD_N * TILE_DEPTH * 2;
    const int column0 = tile * FORWARD_N;
    float s[FORWARD_MT][FORWARD_NT][4];
    copyAsyncWait<0>();
    __syncthreads();
    loadTile<FORWARD_N, THREADS>(vTile, v, p.vAt.row, column0, seq.keys);
    copyAsyncCommit();
    scores(s, qTile, kTile);
    copyAsyncWait<0>();
    __syncthreads();
    if (tile > 0) loadTile<FORWARD_N, THREADS>(kTile, k, p.kAt.row, column0 - FORWARD_N, seq.keys);
    copyAsyncCommit();
    softmaxStep<MASKED>(s, rows, warpRow, column0, seq, p.scale * LOG2_E);
    if (DROPOUT) // after the sum was taken
#pragma unroll
        for (int mt = 0; mt < FORWARD_MT; mt++) dropRows<FORWARD_NT>(s[mt], drop, plane, warpRow + mt * 16, column0);
    values(rows, s, vTile);
}

extern "C" __global__ void __launch_bounds__(FORWARD_WARPS * 32, FORWARD_BLOCKS)
    flash_attention_forward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    constexpr int THREADS = FORWARD_WARPS * 32;
    const Sequence seq = sequenceOf(p, blockIdx.z);
    const int row0 = (gridDim.x - 1 - blockIdx.x) * FORWARD_M; // the longest rows first
    if (row0 >= seq.queries) return;
    const Activation *q = headOf(p.q, p.qAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
    const Activation *k = headOf(p.k, p.kAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const Activation *v = headOf(p.v, p.vAt, p, blockIdx.z, blockIdx.y, seq.keyStart);
    const u32 qTile = sharedAddress(shared), kTile = qTile + FORWARD_M * TILE_DEPTH * 2;
    const int warpRow = row0 + (threadIdx.x >> 5) * FORWARD_MT * 16;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);

    Rows rows;
    clear(rows);
    const int seen = CAUSAL ? min(seq.keys, row0 + FORWARD_M + seq.offset) : seq.keys;
    int tile = (seen + FORWARD_N - 1) / FORWARD_N - 1; // negative: these rows see nothing
    if (seen > 0) {
        loadTile<FORWARD_M, THREADS>(qTile, q, p.qAt.row, row0, seq.queries);
        loadTile<FORWARD_N, THREADS>(kTile, k, p.kAt.row, tile * FORWARD_N, seq.keys);
    }
    copyAsyncCommit();
    const int unmasked = min(seq.keys, CAUSAL ? row0 + seq.offset + 1 : seq.keys) / FORWARD_N; // tiles seen whole
#pragma unroll 1
    for (; tile >= 0 && tile >= unmasked; tile--)
        forwardStep<true>(p, seq, drop, plane, rows, k, v, qTile, tile, warpRow);
#pragma unroll 1
    for (; tile >= 0; tile--) forwardStep<false>(p, seq, drop, plane, rows, k, v, qTile, tile, warpRow);
    copyAsyncWait<0>();
    __syncwarp();
    finishRows(p, rows, seq, row0, shared, DROPOUT ? drop.keepScale : 1.0f);
}
