// flash_backward.cuh: what the backward kernels share: the one gradient that crosses thread blocks, dq.
// Each of 8 warps has QT * 16 rows and DT * 8 columns of a dq tile, QWM warps along the rows. The including file defines
// BM (rows), BN (keys) of a tile, QWM, QT, DT and BACKWARD_SHARED (bytes).
#pragma once
#include "flash_backward_rows.cuh"

extern "C" __device__ const int flash_attention_backward_shared = BACKWARD_SHARED;
extern "C" __device__ const int flash_attention_backward_rows = BM;
extern "C" __device__ const int flash_attention_backward_keys = BN;

#ifndef BACKWARD_TURNS // 1: a block a key tile, and the tiles of a head add to one dq buffer in turns
#define BACKWARD_TURNS 0
#endif
extern "C" __device__ const int flash_attention_backward_turns = BACKWARD_TURNS;
#ifndef BACKWARD_PERSISTENT // 1: a block takes key tiles of any head until none is left, and writes dq with the last sum
#define BACKWARD_PERSISTENT 0
#endif
extern "C" __device__ const int flash_attention_backward_persistent = BACKWARD_PERSISTENT;
#ifndef BACKWARD_THREADS
#define BACKWARD_THREADS 256
#endif
extern "C" __device__ const int flash_attention_backward_threads = BACKWARD_THREADS;

// Behind the one dq buffer: the number of key tiles that have added to each row tile (H, statsRows / BM); then how many of
// its key tiles each head has given to blocks (B, H).
__device__ __forceinline__ int *turnsOf(const FlashAttention &p, int b, int h, const Sequence &seq) {
    return reinterpret_cast<int *>(p.partial + (i64)p.heads * p.statsRows * D) +
        ((i64)h * p.statsRows + statsStart(p, b, seq)) / BM;
}
__device__ __forceinline__ int *ticketOf(const FlashAttention &p, int b, int h) {
    return reinterpret_cast<int *>(p.partial + (i64)p.heads * p.statsRows * D) + (i64)p.heads * p.statsRows / BM +
        (i64)b * p.heads + h;
}

extern "C" __global__ void __launch_bounds__(256) flash_attention_backward_rows_sum(const FlashAttention p) {
    const int b = blockIdx.z, h = blockIdx.y;
    const Sequence seq = sequenceOf(p, b);
    if (BACKWARD_TURNS && blockIdx.x == 0 && threadIdx.x == 0) *ticketOf(p, b, h) = 0;
    if ((int)blockIdx.x * 128 >= seq.queries) return;
    if (BACKWARD_TURNS && threadIdx.x < 128 / BM) turnsOf(p, b, h, seq)[blockIdx.x * (128 / BM) + threadIdx.x] = 0;
    rowSums(p, seq, blockIdx.x * 128);
}

// The head of a block. Without the causal mask all tiles of a head begin with its first rows and, where they add in turns, wait
// for each other: there the blocks that begin one after the other take 8 heads by turns (4,16,4096,128 on one H200 2551 us
// against 2867). 16384 keys of so many heads do not fit into the L2 cache (1,16,16384,128 with 16 heads 10449 against 9873).
__device__ __forceinline__ int headOfBlock(const FlashAttention &p) {
    if (!BACKWARD_TURNS || CAUSAL || p.keyLength > 8192) return blockIdx.y;
    const int block = blockIdx.x + gridDim.x * blockIdx.y, first = block / (8 * gridDim.x) * 8;
    return first + (block - first * gridDim.x) % min(8, p.heads - first);
}

// The tensor's rows of this block's head, cu the cumulative lengths of its rows if packed. Worked out where it is used: the
// backward loops have no registers to spare.
__device__ __forceinline__ Activation *ownHead(
    const FlashAttention &p, Activation *base, const Strides &at, const int *cu) {
    return headOf(base, at, p, blockIdx.z, headOfBlock(p), cu == nullptr ? 0 : cu[blockIdx.z]);
}

// What one thread block works on.
struct Head {
    const Activation *q, *k, *v, *dO;
    const float2 *stats;
    float *partial; // this block's dq of this head, tiles in the order of the fragments
    Sequence seq;
};

__device__ __forceinline__ Head backwardHead(const FlashAttention &p, const Sequence &seq, int block) {
    const int b = blockIdx.z, h = headOfBlock(p);
    Head head;
    head.seq = seq;
    head.q = headOf(p.q, p.qAt, p, b, h, seq.queryStart);
    head.dO = headOf(p.dO, p.dOAt, p, b, h, seq.queryStart);
    head.k = headOf(p.k, p.kAt, p, b, h, seq.keyStart);
    head.v = headOf(p.v, p.vAt, p, b, h, seq.keyStart);
    const i64 firstStat = (i64)h * p.statsRows + statsStart(p, b, seq);
    head.stats = p.stats + firstStat;
    head.partial = p.partial + ((i64)block * p.heads * p.statsRows + firstStat) * SUM_DEPTH;
    return head;
}

// Where a lane's four values of fragment f of a warp lie in a partial dq tile: 16 bytes a lane, coalesced.
__device__ __forceinline__ i64 fragmentAt(int warp, int f, int lane) {
    return ((i64)(warp * QT * DT + f) * 32 + lane) * 4;
}

__device__ __forceinline__ void writeQueryGradient(
    const FlashAttention &p, Activation *dq, int row, int column, float x, float y, int rows) {
    if (row < rows && (D == TILE_DEPTH || column < D))
        *reinterpret_cast<u32 *>(dq + (i64)row * p.dqAt.row + column) = pack<Activation>(x, y);
}

__device__ __forceinline__ float4 loadPartial(const float *at) {
    float4 x;
    asm volatile("ld.relaxed.gpu.global.v4.f32 {%0,%1,%2,%3}, [%4];"
                 : "=f"(x.x), "=f"(x.y), "=f"(x.z), "=f"(x.w)
                 : "l"(at)
                 : "memory");
    return x;
}
__device__ __forceinline__ void storePartial(float *at, const float (&x)[4]) {
    asm volatile(
        "st.relaxed.gpu.global.v4.f32 [%0], {%1,%2,%3,%4};" ::"l"(at), "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3])
        : "memory");
}
__device__ __forceinline__ void addPartial(float *at, const float (&x)[4]) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "red.relaxed.gpu.global.add.v4.f32 [%0], {%1,%2,%3,%4};" ::"l"(at), "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3])
        : "memory");
#else
#pragma unroll
    for (int e = 0; e < 4; e++)
        asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(at + e), "f"(x[e]) : "memory");
#endif
}

// Adds the tile to this split's partial sums (first: stores it), or, when it is the last of them, writes dq.
__device__ __forceinline__ void storeQueryGradient(const FlashAttention &p, const Head &head,
    const float (&dq)[QT][DT][4], int row0, int column0, bool first, bool last, float factor) {
    constexpr int BATCH = 4; // loads in flight
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    float *tile = head.partial + (i64)row0 * SUM_DEPTH + fragmentAt(warp, 0, lane);
    if (!last) {
#pragma unroll
        for (int f = 0; f < QT * DT; f++) {
            if (first) storePartial(tile + fragmentAt(0, f, 0), dq[f / DT][f % DT]);
            else addPartial(tile + fragmentAt(0, f, 0), dq[f / DT][f % DT]);
        }
        return;
    }
    Activation *to = ownHead(p, p.dq, p.dqAt, p.cuQ);
#pragma unroll
    for (int f0 = 0; f0 < QT * DT; f0 += BATCH) {
        float4 before[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; i++)
            before[i] = first ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : loadPartial(tile + fragmentAt(0, f0 + i, 0));
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            const float(&x)[4] = dq[(f0 + i) / DT][(f0 + i) % DT];
            const float4 y = before[i];
            const int row = row0 + ((warp % QWM) * QT + (f0 + i) / DT) * 16 + g;
            const int column = column0 + ((warp / QWM) * DT + (f0 + i) % DT) * 8 + t * 2;
            writeQueryGradient(p, to, row, column, (x[0] + y.x) * factor, (x[1] + y.y) * factor, head.seq.queries);
            writeQueryGradient(p, to, row + 8, column, (x[2] + y.z) * factor, (x[3] + y.w) * factor, head.seq.queries);
        }
    }
}

__device__ __forceinline__ int firstRowTile(const Sequence &seq, int key0) {
    return CAUSAL ? max(0, key0 - seq.offset) / BM : 0;
}

// With one split dq is written with the last key tile of each row tile: rows that see no key get zeros here.
__device__ __forceinline__ void clearBlindRows(const FlashAttention &p, const Head &head, int keyTiles) {
    if (p.splits > 1 || blockIdx.x > 0) return;
    const int blind = min(head.seq.queries, keyTiles == 0 ? head.seq.queries : firstRowTile(head.seq, 0) * BM);
    Activation *dq = ownHead(p, p.dq, p.dqAt, p.cuQ);
    for (int i = threadIdx.x; i < blind * (D / 8); i += 256)
        *reinterpret_cast<uint4 *>(dq + (i64)(i / (D / 8)) * p.dqAt.row + i % (D / 8) * 8) = make_uint4(0, 0, 0, 0);
}

// dq = scale * (sum of the splits' partial sums, in order); splits that saw no key of a row tile left it unwritten. A thread
// has what four lanes held: rows g and g + 8, 8 columns.
extern "C" __global__ void __launch_bounds__(256) flash_attention_backward_sum(const FlashAttention p) {
    const int b = blockIdx.z, h = blockIdx.y, row0 = blockIdx.x * BM;
    const Sequence seq = sequenceOf(p, b);
    if (row0 >= seq.queries) return;
    const int keyTiles = (seq.keys + BN - 1) / BN;
    const int seen =
        CAUSAL ? (row0 + BM - 1 + seq.offset < 0 ? 0 : min(keyTiles, (row0 + BM - 1 + seq.offset) / BN + 1)) : keyTiles;
    const float *tile = p.partial + ((i64)h * p.statsRows + statsStart(p, b, seq) + row0) * SUM_DEPTH;
    Activation *dq = headOf(p.dq, p.dqAt, p, b, h, seq.queryStart);
    const float factor = p.scale * (DROPOUT ? 65536.0f / (float)(65536u - p.threshold) : 1.0f);
#pragma unroll
    for (int i = threadIdx.x; i < BM * SUM_DEPTH / 16 * COLUMN_BLOCKS; i += 256) {
        const int g = i % 8, f = i / 8 % (QT * DT), warp = i / (8 * QT * DT) % 8;
        const int columns = i / (64 * QT * DT); // which of the column blocks
        float sum[2][8];
#pragma unroll
        for (int j = 0; j < 8; j++) sum[0][j] = sum[1][j] = 0.0f;
        for (int s = 0; s < min(p.splits, seen); s++) {
            const float *from =
                tile + (i64)(columns * p.splits + s) * p.heads * p.statsRows * SUM_DEPTH + fragmentAt(warp, f, 4 * g);
#pragma unroll
            for (int t = 0; t < 4; t++) {
                const float4 x = reinterpret_cast<const float4 *>(from)[t];
                sum[0][2 * t] += x.x;
                sum[0][2 * t + 1] += x.y;
                sum[1][2 * t] += x.z;
                sum[1][2 * t + 1] += x.w;
            }
        }
        const int row = row0 + ((warp % QWM) * QT + f / DT) * 16 + g,
                  column = columns * SUM_DEPTH + ((warp / QWM) * DT + f % DT) * 8;
#pragma unroll
        for (int half = 0; half < 2; half++) {
#pragma unroll
            for (int j = 0; j < 8; j++) sum[half][j] *= factor;
            if (row + half * 8 < seq.queries && (D == TILE_DEPTH || column < D))
                store<Activation, 8>(dq + (i64)(row + half * 8) * p.dqAt.row + column, sum[half]);
        }
    }
}
