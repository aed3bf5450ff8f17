// flash_backward.cu: the backward pass of flash_attention.cuh through mma.sync m16n8k16 (sm_80 and later).
// Per key tile (BACKWARD_N rows) and row tile (BACKWARD_M): s^T = k q^T and dp^T = v dO^T, so that p^T and
// ds^T are at once the register operands of dv += p^T dO and dk += ds^T q; only ds goes through shared
// memory, for dq = ds k. 8 warps: WN along the keys, WM along the rows; each holds KT * 16 key rows and
// walks its share of the row tile in pieces of CHUNK rows.
#include "flash_attention.cuh"

#ifndef BACKWARD_M
#define BACKWARD_M (HEAD_DIM == 256 ? 32 : HEAD_DIM > 64 ? 64 : 128)
#endif
#ifndef BACKWARD_CHUNK
#define BACKWARD_CHUNK (HEAD_DIM == 64 || HEAD_DIM == 256 ? 16 : HEAD_DIM == 128 ? 64 : 32)
#endif

constexpr int BM = BACKWARD_M;
constexpr int KT = D > 64 ? 1 : 2;
constexpr int WN = D > 64 && D <= 128 ? 8 : 4, WM = 8 / WN;
// A block's columns of dk and dv, and of dq: D 256 has two blocks, each a half of the columns.
constexpr int OWN_DEPTH = D > 128 ? 128 : D;
constexpr int BN = WN * KT * 16;
constexpr int CHUNK = BACKWARD_CHUNK;
constexpr int CT = CHUNK / 8;
constexpr int K_BYTES = BN * TILE_DEPTH * 2, Q_BYTES = BM * TILE_DEPTH * 2, STATS_BYTES = BM * 8,
              STAGE_BYTES = 2 * Q_BYTES + STATS_BYTES;
constexpr int DS_BYTES = BM * BN * 2, EXCHANGE_BYTES = WM == 2 ? 2 * BN * OWN_DEPTH * 4 : 0;
constexpr int WORK_BYTES = 2 * STAGE_BYTES + DS_BYTES > EXCHANGE_BYTES ? 2 * STAGE_BYTES + DS_BYTES : EXCHANGE_BYTES;
constexpr int BACKWARD_SHARED = 2 * K_BYTES + WORK_BYTES;
// dq = ds k: each warp QT * 16 rows and DT * 8 columns
constexpr int QWM = BM == 128 ? 4 : 2, QWD = 8 / QWM;
constexpr int QT = BM / QWM / 16, DT = SUM_DEPTH / QWD / 8;
static_assert(BM / WM % CHUNK == 0 && DT % 2 == 0, "tile shape");

#include "flash_backward.cuh"
#include "flash_backward_products.cuh"

__device__ __forceinline__ void loadRows(const FlashAttention &p, const Head &head, u32 stage, int row0) {
    loadTile<BM, 256>(stage, head.q, p.qAt.row, row0, head.seq.queries);
    loadTile<BM, 256>(stage + Q_BYTES, head.dO, p.dOAt.row, row0, head.seq.queries);
    if (threadIdx.x < BM / 2)
        copyAsync16(stage + 2 * Q_BYTES + threadIdx.x * 16, head.stats + row0 + threadIdx.x * 2, true);
}

// s becomes p (undropped); p and its dropped copy are rounded where they feed a product.
template <bool MASKED>
__device__ __forceinline__ void probabilities(
    float (&s)[KT][CT][4], const float4 *stats, const Sequence &seq, int key0, int row0, float c) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int ct = 0; ct < CT; ct++) {
        const float4 st = stats[ct * 4 + t]; // {lse, delta} of rows 2t and 2t + 1
#pragma unroll
        for (int kt = 0; kt < KT; kt++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                float y = exp2Fast(fmaf(s[kt][ct][e], c, (e & 1) ? -st.z : -st.x));
                if (MASKED) {
                    const int key = key0 + kt * 16 + (e >> 1) * 8 + g, row = row0 + ct * 8 + t * 2 + (e & 1);
                    if (key >= seq.keys || (CAUSAL && key > row + seq.offset)) y = 0.0f;
                }
                s[kt][ct][e] = y;
            }
    }
}

struct Gradients {
    float dk[KT][OWN_DEPTH / 8][4], dv[KT][OWN_DEPTH / 8][4];
};

// One key tile against one chunk of rows: dv, dk in registers, ds (BN x BM, swizzled) in shared memory.
template <bool MASKED>
__device__ __forceinline__ void chunkStep(const FlashAttention &p, const Sequence &seq, const Dropout &drop,
    const DropoutPlane &plane, Gradients &grad, u8 *shared, u32 stage, const u8 *stagePointer, u32 dsTile, int key0,
    int row0, int chunkRow, int column0) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int warpKey = ((threadIdx.x >> 5) % WN) * KT * 16;
    const u32 kTile = sharedAddress(shared);
    const u32 chunkAt = chunkRow * TILE_DEPTH * 2;
    float s[KT][CT][4], dp[KT][CT][4];
    u32 half[KT][CT][2];
    transposedScores(s, kTile + warpKey * TILE_DEPTH * 2, stage + chunkAt);
    const float4 *stats = reinterpret_cast<const float4 *>(stagePointer + 2 * Q_BYTES + chunkRow * 8);
    probabilities<MASKED>(s, stats, seq, key0 + warpKey, row0 + chunkRow, p.scale * LOG2_E);
    u32 kept[CT];
    if (DROPOUT) {
        float dropped[KT][CT][4];
#pragma unroll
        for (int ct = 0; ct < CT; ct++) {
            kept[ct] = keptBits<KT>(drop, plane, key0 + warpKey, row0 + chunkRow + ct * 8);
#pragma unroll
            for (int kt = 0; kt < KT; kt++)
#pragma unroll
                for (int e = 0; e < 4; e++) dropped[kt][ct][e] = (kept[ct] >> (kt * 4 + e)) & 1 ? s[kt][ct][e] : 0.0f;
        }
        packTile(half, dropped);
    } else {
        packTile(half, s);
    }
    accumulate(grad.dv, half, stage + Q_BYTES + chunkAt, column0);
    transposedScores(dp, kTile + K_BYTES + warpKey * TILE_DEPTH * 2, stage + Q_BYTES + chunkAt);
#pragma unroll
    for (int ct = 0; ct < CT; ct++) {
        const float4 st = stats[ct * 4 + t];
#pragma unroll
        for (int kt = 0; kt < KT; kt++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                float x = dp[kt][ct][e];
                if (DROPOUT && !((kept[ct] >> (kt * 4 + e)) & 1)) x = 0.0f;
                dp[kt][ct][e] = s[kt][ct][e] * (x - ((e & 1) ? st.w : st.y));
            }
    }
    packTile(half, dp);
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int ct = 0; ct < CT; ct++)
#pragma unroll
            for (int i = 0; i < 2; i++)
                asm volatile("st.shared.u32 [%0], %1;" ::"r"(
                                 dsTile + tileOffset<BM>(warpKey + kt * 16 + i * 8 + g, chunkRow / 8 + ct) + t * 4),
                             "r"(half[kt][ct][i])
                             : "memory");
    accumulate(grad.dk, half, stage + chunkAt, column0);
}

extern "C" __global__ void __launch_bounds__(256, 1) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int b = blockIdx.z, h = blockIdx.y, split = COLUMN_BLOCKS == 1 ? blockIdx.x : blockIdx.x % p.splits;
    const int column0 = COLUMN_BLOCKS == 1 ? 0 : blockIdx.x / p.splits * OWN_DEPTH;
    const Sequence seq = sequenceOf(p, b);
    const int keyTiles = (seq.keys + BN - 1) / BN, rowTiles = (seq.queries + BM - 1) / BM;
    const Head head = backwardHead(p, seq, blockIdx.x);
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(b, h, p.heads, p.queryLength, p.keyLength);
    const float keepScale = DROPOUT ? drop.keepScale : 1.0f;
    const int warp = threadIdx.x >> 5;
    const u32 kTile = sharedAddress(shared), work = kTile + 2 * K_BYTES, dsTile = work + 2 * STAGE_BYTES;
    float *exchange = reinterpret_cast<float *>(shared + 2 * K_BYTES);

    clearBlindRows(p, head, keyTiles);
    if (split < keyTiles) {
        loadTile<BN, 256>(kTile, head.k, p.kAt.row, split * BN, seq.keys);
        loadTile<BN, 256>(kTile + K_BYTES, head.v, p.vAt.row, split * BN, seq.keys);
    }
#pragma unroll 1
    for (int tile = split; tile < keyTiles; tile += p.splits) {
        const int key0 = tile * BN, begin = firstRowTile(seq, key0);
        Gradients grad;
#pragma unroll
        for (int kt = 0; kt < KT; kt++)
#pragma unroll
            for (int dt = 0; dt < OWN_DEPTH / 8; dt++)
#pragma unroll
                for (int e = 0; e < 4; e++) grad.dk[kt][dt][e] = grad.dv[kt][dt][e] = 0.0f;
        if (begin < rowTiles) loadRows(p, head, work, begin * BM);
        copyAsyncCommit();
#pragma unroll 1
        for (int r = begin; r < rowTiles; r++) {
            const int row0 = r * BM, stageAt = ((r - begin) & 1) * STAGE_BYTES;
            const u32 stage = work + stageAt;
            const u8 *stagePointer = shared + 2 * K_BYTES + stageAt;
            copyAsyncWait<0>();
            __syncthreads();
            if (r + 1 < rowTiles) loadRows(p, head, work + STAGE_BYTES - stageAt, row0 + BM);
            copyAsyncCommit();
            const bool masked = key0 + BN > seq.keys || (CAUSAL && key0 + BN - 1 > row0 + seq.offset);
            const int warpRow = warp / WN * (BM / WM);
#pragma unroll 1
            for (int piece = 0; piece < BM / WM; piece += CHUNK) {
                if (masked)
                    chunkStep<true>(p, seq, drop, plane, grad, shared, stage, stagePointer, dsTile, key0, row0,
                        warpRow + piece, column0);
                else
                    chunkStep<false>(p, seq, drop, plane, grad, shared, stage, stagePointer, dsTile, key0, row0,
                        warpRow + piece, column0);
            }
            __syncthreads();
            float dq[QT][DT][4];
            queryGradient(dq, dsTile, kTile, column0);
            const int lastSeen = CAUSAL ? min(keyTiles - 1, (row0 + BM - 1 + seq.offset) / BN) : keyTiles - 1;
            storeQueryGradient(
                p, head, dq, row0, column0, tile == split, p.splits == 1 && tile == lastSeen, p.scale * keepScale);
        }
        copyAsyncWait<0>();
        __syncthreads();
        if (tile + p.splits < keyTiles) {
            loadTile<BN, 256>(kTile, head.k, p.kAt.row, key0 + p.splits * BN, seq.keys);
            loadTile<BN, 256>(kTile + K_BYTES, head.v, p.vAt.row, key0 + p.splits * BN, seq.keys);
        }
        if (WM == 2) {
            if (warp < WN) handOver(grad.dk, exchange);
            else handOver(grad.dv, exchange + BN * OWN_DEPTH);
            __syncthreads();
        }
        if (WM == 1 || warp < WN)
            writeRows(p, grad.dv, exchange + BN * OWN_DEPTH, ownHead(p, p.dv, p.dvAt, p.cuK) + column0, p.dvAt.row,
                key0, seq.keys, keepScale);
        if (WM == 1 || warp >= WN)
            writeRows(p, grad.dk, exchange, ownHead(p, p.dk, p.dkAt, p.cuK) + column0, p.dkAt.row, key0, seq.keys,
                p.scale * keepScale);
        if (WM == 2) __syncthreads();
    }
}
