// flash_attention.cu: o = dropout(softmax(scale q k^T + causal)) v and its gradient, without the (Tq, Tk)
// matrix in memory. Tensor cores through mma.sync m16n8k16 (sm_80 and later).
// FlashAttention-2, arXiv:2307.08691, Alg. 1 and 2.
//
//   q, o, dO, dq  (B, H, Tq, D)   k, v, dk, dv  (B, H, Tk, D)   bf16 or fp16, addressed by element strides
//                 (batch, head, row), last dimension contiguous, so that all of them may be views of one
//                 (B, T, 3, H, D) buffer. Strides are multiples of 8 elements, pointers of 16 bytes.
//   lse           f32, natural log; element (b, h, row) at b * lse.batch + h * lse.head + row
//   stats         float2 workspace (H, statsRows) of the backward pass: {lse log2(e), rowsum(dO o)}; a sequence
//                 has its rows from statsStart(b), padded to 128
//   partial       f32 workspace (splits, H, statsRows, D) of the backward pass, also with one split; statsRows =
//                 B * roundUp(Tq, 128), packed: roundUp(total + 128 B, 128)
// Overwritten: o, lse; dq, dk, dv. Nothing is accumulated across calls.
// causal is aligned bottom right: column c is seen by row r iff c <= r + Tk - Tq. A row that sees nothing
// gives o = 0, lse = +inf and zero gradients. Nothing past row Tq or Tk is read.
// Packed sequences: cuQ, cuK (B + 1) i32 cumulative lengths, B sequences, batch strides unused (also lse.batch: row
// cu[b] + row), queryLength and keyLength the longest. cuQ null: dense.
// Dropout of the probabilities: attention.cuh.
//
// Deterministic: only dq crosses thread blocks. A block walks the key tiles split, split + splits, ... of one
// head in order and adds each dq tile into its own partial buffer, every element always by the same
// thread; with one split the last key tile of a row tile also scales and writes dq, else
// flash_attention_backward_sum adds the splits in order.
//
// -D  ACTIVATION bf16 | fp16, HEAD_DIM 32 | 64 | 128, CAUSAL 0 | 1, DROPOUT 0 | 1
// flash_attention_forward           grid (ceil(Tq / FORWARD_M), H, B)  block FORWARD_WARPS * 32
// flash_attention_backward_rows_sum grid (statsTiles, H, B), statsTiles = ceil(Tq / 128)   block 256
// flash_attention_backward          grid (splits, H, B)   block 256
// flash_attention_backward_sum      grid (ceil(Tq / BACKWARD_M), H, B)   block 256   only if splits > 1
// Dynamic shared memory: the constants FORWARD_SHARED and BACKWARD_SHARED below, also readable from the module
// as the globals flash_attention_forward_shared, _forward_rows, _forward_threads, _backward_shared, _backward_rows,
// _backward_keys.
#include "attention.cuh"

#ifndef HEAD_DIM
#define HEAD_DIM 64
#endif
#ifndef CAUSAL
#define CAUSAL 1
#endif
#ifndef DROPOUT
#define DROPOUT 0
#endif
#ifndef FORWARD_M
#define FORWARD_M (HEAD_DIM == 64 ? 64 : 128)
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
// Of every POLYNOMIAL score tiles one takes exp2 on the multiply-add units (0: none). At D 32 the
// special-function unit is the bottleneck.
#ifndef POLYNOMIAL
#define POLYNOMIAL 0
#endif
#ifndef BACKWARD_M
#define BACKWARD_M (HEAD_DIM == 128 ? 64 : 128)
#endif
#ifndef BACKWARD_CHUNK
#define BACKWARD_CHUNK (HEAD_DIM == 64 ? 16 : HEAD_DIM == 32 ? 32 : 64)
#endif

struct FlashAttention {
    const Activation *q, *k, *v;
    Activation *o;
    float *lse;
    const Activation *dO;
    Activation *dq, *dk, *dv;
    float2 *stats;
    float *partial;
    const int *cuQ, *cuK;
    const StepState *state;
    Strides qAt, kAt, vAt, oAt, dOAt, dqAt, dkAt, dvAt, lseAt;
    int batch, heads, queryLength, keyLength;
    int statsRows, splits;
    float scale;
    u32 threshold, site;
};

constexpr int D = HEAD_DIM;
constexpr int CHUNKS = D / 8;
constexpr int FORWARD_SHARED = (FORWARD_M + 2 * FORWARD_N) * D * 2;
extern "C" __device__ const int flash_attention_forward_shared = FORWARD_SHARED;
extern "C" __device__ const int flash_attention_forward_rows = FORWARD_M;
extern "C" __device__ const int flash_attention_forward_threads = FORWARD_WARPS * 32;

// One head of one sequence: lengths and the first row of each tensor.
struct Sequence {
    int queries, keys, offset; // offset = Tk - Tq
    i64 queryStart, keyStart;  // rows, packed only
};

__device__ __forceinline__ Sequence sequenceOf(const FlashAttention &p, int b) {
    Sequence s;
    if (p.cuQ == nullptr) {
        s.queries = p.queryLength;
        s.keys = p.keyLength;
        s.queryStart = s.keyStart = 0;
    } else {
        s.queryStart = p.cuQ[b];
        s.keyStart = p.cuK[b];
        s.queries = p.cuQ[b + 1] - p.cuQ[b];
        s.keys = p.cuK[b + 1] - p.cuK[b];
    }
    s.offset = s.keys - s.queries;
    return s;
}

template <typename T>
__device__ __forceinline__ T *headOf(T *base, const Strides &at, const FlashAttention &p, int b, int h, i64 start) {
    return base + (p.cuQ == nullptr ? b * at.batch : start * at.row) + h * at.head;
}

__device__ __forceinline__ i64 lseOf(const FlashAttention &p, int b, int h, const Sequence &s) {
    return (p.cuQ == nullptr ? b * p.lseAt.batch : s.queryStart) + h * p.lseAt.head;
}

__device__ __forceinline__ i64 statsStart(const FlashAttention &p, int b, const Sequence &s) {
    return p.cuQ == nullptr ? (i64)b * ((p.queryLength + 127) / 128 * 128) : (s.queryStart + 128 * (i64)b) / 128 * 128;
}

// A tile of ROWS rows, first row `row`, of which rows at `rows` and beyond become zeros.
template <int ROWS, int THREADS>
__device__ __forceinline__ void loadTile(u32 to, const Activation *from, i64 stride, int row, int rows) {
    constexpr int PER = THREADS / CHUNKS;
    const int chunk = threadIdx.x % CHUNKS, first = threadIdx.x / CHUNKS;
#pragma unroll
    for (int i = 0; i < ROWS; i += PER) {
        const int r = row + first + i;
        if (ROWS % PER == 0 || first + i < ROWS)
            copyAsync16(to + tileOffset<D>(first + i, chunk), from + (i64)min(r, rows - 1) * stride + chunk * 8, r < rows);
    }
}

// 2^x for x <= 0 by rounding to an integer exponent and a cubic in the rest; relative error 1e-4,
// far under the rounding of the half-precision P that it feeds.
__device__ __forceinline__ float exp2Polynomial(float x) {
    x = fmaxf(x, -126.0f);
    const float shifted = x + 12582912.0f;
    const float f = x - (shifted - 12582912.0f);
    float y = fmaf(f, 0.0558263f, 0.2401397f);
    y = fmaf(f, y, 0.6931471f);
    y = fmaf(f, y, 0.9999248f);
    return __int_as_float(__float_as_int(y) + (__float_as_int(shifted) << 23));
}

// ---- forward ---------------------------------------------------------------------------------

// Softmax state of the 16 MT rows of a warp; lane 4g + t holds rows g and g + 8 of each of the MT tiles.
constexpr int FORWARD_MT = FORWARD_M / FORWARD_WARPS / 16;
constexpr int FORWARD_NT = FORWARD_N / 8;
struct Rows {
    float o[FORWARD_MT][D / 8][4];
    float max[FORWARD_MT][2], sum[FORWARD_MT][2];
};

template <bool MASKED>
__device__ __forceinline__ void softmaxStep(
        float (&s)[FORWARD_MT][FORWARD_NT][4], Rows &rows, int firstRow, int column0, const Sequence &seq, float c) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = firstRow + mt * 16 + half * 8 + g;
            const int end = CAUSAL ? min(seq.keys, row + seq.offset + 1) : seq.keys;
            float best = rows.max[mt][half];
#pragma unroll
            for (int nt = 0; nt < FORWARD_NT; nt++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[mt][nt][half * 2 + e];
                    if (MASKED && column0 + nt * 8 + t * 2 + e >= end) x = -INFINITY_F;
                    best = fmaxf(best, x);
                }
            }
            best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 1));
            best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 2));
            const float shift = (MASKED && best == -INFINITY_F) ? 0.0f : best * c;
            const float shrink = exp2Fast(fmaf(rows.max[mt][half], c, -shift));
            rows.max[mt][half] = best;
            float sum = rows.sum[mt][half] * shrink;
#pragma unroll
            for (int nt = 0; nt < D / 8; nt++) {
                rows.o[mt][nt][half * 2] *= shrink;
                rows.o[mt][nt][half * 2 + 1] *= shrink;
            }
#pragma unroll
            for (int nt = 0; nt < FORWARD_NT; nt++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[mt][nt][half * 2 + e];
                    const float y = fmaf(x, c, -shift);
                    x = POLYNOMIAL > 0 && nt % (POLYNOMIAL > 0 ? POLYNOMIAL : 1) == 0 && (!MASKED)
                            ? exp2Polynomial(y)
                            : exp2Fast(y);
                    sum += x;
                }
            }
            rows.sum[mt][half] = sum;
        }
    }
}

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
            loadMatrix(a[mt], qTile + tileOffset<D>(warpRow + mt * 16 + aRow, kk * 2 + aChunk));
#pragma unroll
        for (int nn = 0; nn < FORWARD_N / 16; nn++) {
            u32 b[4];
            loadMatrix(b, kTile + tileOffset<D>(nn * 16 + bRow, kk * 2 + bChunk));
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
            loadMatrixTransposed(b, vTile + tileOffset<D>(kk * 16 + (lane & 15), dd * 2 + (lane >> 4)));
#pragma unroll
            for (int mt = 0; mt < FORWARD_MT; mt++) {
                multiply<Activation>(rows.o[mt][dd * 2], a[mt], b[0], b[1]);
                multiply<Activation>(rows.o[mt][dd * 2 + 1], a[mt], b[2], b[3]);
            }
        }
    }
}

// One warp's rows: normalize, write lse, stage o in the warp's own part of the q tile, write 16-byte pieces.
__device__ __forceinline__ void finishRows(
        const FlashAttention &p, Rows &rows, const Sequence &seq, int row0, u8 *tile, float keepScale) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int warpRow = (threadIdx.x >> 5) * FORWARD_MT * 16;
    float *lse = p.lse + lseOf(p, blockIdx.z, blockIdx.y, seq);
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float sum = rows.sum[mt][half];
            sum += __shfl_xor_sync(0xffffffffu, sum, 1);
            sum += __shfl_xor_sync(0xffffffffu, sum, 2);
            const bool empty = !(sum != 0.0f); // a NaN sum is not empty
            const float factor = empty ? 0.0f : keepScale / sum;
            const int local = warpRow + mt * 16 + half * 8 + g, row = row0 + local;
            if (t == 0 && row < seq.queries)
                lse[row] = empty ? INFINITY_F : rows.max[mt][half] * p.scale + __logf(sum);
#pragma unroll
            for (int nt = 0; nt < D / 8; nt++)
                *reinterpret_cast<u32 *>(tile + tileOffset<D>(local, nt) + t * 4) = pack<Activation>(
                        rows.o[mt][nt][half * 2] * factor, rows.o[mt][nt][half * 2 + 1] * factor);
        }
    }
    __syncwarp();
    Activation *o = headOf(p.o, p.oAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
#pragma unroll
    for (int i = 0; i < FORWARD_MT * 16 * CHUNKS; i += 32) {
        const int local = warpRow + (i + lane) / CHUNKS, chunk = (i + lane) % CHUNKS;
        if (row0 + local < seq.queries)
            *reinterpret_cast<uint4 *>(o + (i64)(row0 + local) * p.oAt.row + chunk * 8) =
                    *reinterpret_cast<const uint4 *>(tile + tileOffset<D>(local, chunk));
    }
}

// One key tile; the next key tile loads behind the softmax, this value tile behind the scores.
template <bool MASKED>
__device__ __forceinline__ void forwardStep(const FlashAttention &p, const Sequence &seq, const Dropout &drop,
        const DropoutPlane &plane, Rows &rows, const Activation *k, const Activation *v, u32 qTile, int tile, int warpRow) {
    constexpr int THREADS = FORWARD_WARPS * 32;
    const u32 kTile = qTile + FORWARD_M * D * 2, vTile = kTile + FORWARD_N * D * 2;
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
    const u32 qTile = sharedAddress(shared), kTile = qTile + FORWARD_M * D * 2;
    const int warpRow = row0 + (threadIdx.x >> 5) * FORWARD_MT * 16;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, p.queryLength, p.keyLength);

    Rows rows;
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++) {
        rows.max[mt][0] = rows.max[mt][1] = -INFINITY_F;
        rows.sum[mt][0] = rows.sum[mt][1] = 0.0f;
#pragma unroll
        for (int nt = 0; nt < D / 8; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) rows.o[mt][nt][e] = 0.0f;
    }
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
    for (; tile >= 0; tile--)
        forwardStep<false>(p, seq, drop, plane, rows, k, v, qTile, tile, warpRow);
    copyAsyncWait<0>();
    __syncwarp();
    finishRows(p, rows, seq, row0, shared, DROPOUT ? drop.keepScale : 1.0f);
}

// ---- backward --------------------------------------------------------------------------------
// Per key tile (BACKWARD_N rows) and row tile (BACKWARD_M): s^T = k q^T and dp^T = v dO^T, so that p^T and
// ds^T are at once the register operands of dv += p^T dO and dk += ds^T q; only ds goes through shared
// memory, for dq = ds k. 8 warps: WN along the keys, WM along the rows; each holds KT * 16 key rows and
// walks its share of the row tile in pieces of CHUNK rows.

constexpr int BM = BACKWARD_M;
constexpr int KT = D == 128 ? 1 : 2;
constexpr int WN = D == 128 ? 8 : 4, WM = 8 / WN;
constexpr int BN = WN * KT * 16;
constexpr int CHUNK = BACKWARD_CHUNK;
constexpr int CT = CHUNK / 8;
constexpr int K_BYTES = BN * D * 2, Q_BYTES = BM * D * 2, STATS_BYTES = BM * 8, STAGE_BYTES = 2 * Q_BYTES + STATS_BYTES;
constexpr int DS_BYTES = BM * BN * 2, EXCHANGE_BYTES = WM == 2 ? 2 * BN * D * 4 : 0;
constexpr int WORK_BYTES = 2 * STAGE_BYTES + DS_BYTES > EXCHANGE_BYTES ? 2 * STAGE_BYTES + DS_BYTES : EXCHANGE_BYTES;
constexpr int BACKWARD_SHARED = 2 * K_BYTES + WORK_BYTES;
// dq = ds k: each warp QT * 16 rows and DT * 8 columns
constexpr int QWM = BM == 128 ? 4 : 2, QWD = 8 / QWM;
constexpr int QT = BM / QWM / 16, DT = D / QWD / 8;
static_assert(BM / WM % CHUNK == 0 && DT % 2 == 0, "tile shape");

extern "C" __device__ const int flash_attention_backward_shared = BACKWARD_SHARED;
extern "C" __device__ const int flash_attention_backward_rows = BM;
extern "C" __device__ const int flash_attention_backward_keys = BN;

// stats[row] = {lse log2(e), (1 - p) rowsum(dO o)}; {inf, 0} past the last row. 8 rows a warp at a time.
extern "C" __global__ void __launch_bounds__(256) flash_attention_backward_rows_sum(const FlashAttention p) {
    const int b = blockIdx.z, h = blockIdx.y;
    const Sequence seq = sequenceOf(p, b);
    if ((int)blockIdx.x * 128 >= seq.queries) return;
    const Activation *o = headOf(p.o, p.oAt, p, b, h, seq.queryStart);
    const Activation *dO = headOf(p.dO, p.dOAt, p, b, h, seq.queryStart);
    const float *lse = p.lse + lseOf(p, b, h, seq);
    float2 *stats = p.stats + (i64)h * p.statsRows + statsStart(p, b, seq);
    const float keep = DROPOUT ? (float)(65536u - p.threshold) * (1.0f / 65536.0f) : 1.0f;
    const int chunk = threadIdx.x % CHUNKS;
#pragma unroll
    for (int i = threadIdx.x / CHUNKS; i < 128; i += 256 / CHUNKS) {
        const int row = blockIdx.x * 128 + i;
        float sum = 0.0f;
        if (row < seq.queries) {
            float x[8], y[8];
            load<Activation, 8>(x, o + (i64)row * p.oAt.row + chunk * 8);
            load<Activation, 8>(y, dO + (i64)row * p.dOAt.row + chunk * 8);
#pragma unroll
            for (int j = 0; j < 8; j++) sum = fmaf(x[j], y[j], sum);
        }
#pragma unroll
        for (int d = CHUNKS / 2; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        if (chunk == 0)
            stats[row] = row < seq.queries ? make_float2(lse[row] * LOG2_E, sum * keep) : make_float2(INFINITY_F, 0.0f);
    }
}

// What one thread block works on.
struct Head {
    const Activation *q, *k, *v, *dO;
    Activation *dq;
    const float2 *stats;
    float *partial; // this split's dq of this head, tiles in the order of the fragments
    Sequence seq;
};

__device__ __forceinline__ void loadRows(const FlashAttention &p, const Head &head, u32 stage, int row0) {
    loadTile<BM, 256>(stage, head.q, p.qAt.row, row0, head.seq.queries);
    loadTile<BM, 256>(stage + Q_BYTES, head.dO, p.dOAt.row, row0, head.seq.queries);
    if (threadIdx.x < BM / 2)
        copyAsync16(stage + 2 * Q_BYTES + threadIdx.x * 16, head.stats + row0 + threadIdx.x * 2, true);
}

// acc (key rows x CHUNK rows of q) = x y^T, x the warp's key rows, y the chunk, both D wide in shared memory.
__device__ __forceinline__ void transposedScores(float (&acc)[KT][CT][4], u32 xTile, u32 yTile) {
    const int lane = threadIdx.x & 31;
    const int bRow = (lane & 7) + ((lane >> 4) << 3), bChunk = (lane >> 3) & 1;
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int ct = 0; ct < CT; ct++)
#pragma unroll
            for (int e = 0; e < 4; e++) acc[kt][ct][e] = 0.0f;
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) {
        u32 a[KT][4];
#pragma unroll
        for (int kt = 0; kt < KT; kt++)
            loadMatrix(a[kt], xTile + tileOffset<D>(kt * 16 + (lane & 15), kk * 2 + (lane >> 4)));
#pragma unroll
        for (int cc = 0; cc < CT / 2; cc++) {
            u32 b[4];
            loadMatrix(b, yTile + tileOffset<D>(cc * 16 + bRow, kk * 2 + bChunk));
#pragma unroll
            for (int kt = 0; kt < KT; kt++) {
                multiply<Activation>(acc[kt][cc * 2], a[kt], b[0], b[1]);
                multiply<Activation>(acc[kt][cc * 2 + 1], a[kt], b[2], b[3]);
            }
        }
    }
}

// acc (key rows x D) += half(x) y, x (key rows x CHUNK) in registers, y the chunk in shared memory.
__device__ __forceinline__ void accumulate(float (&acc)[KT][D / 8][4], const u32 (&x)[KT][CT][2], u32 yTile) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int cc = 0; cc < CT / 2; cc++) {
#pragma unroll
        for (int dd = 0; dd < D / 16; dd++) {
            u32 b[4];
            loadMatrixTransposed(b, yTile + tileOffset<D>(cc * 16 + (lane & 15), dd * 2 + (lane >> 4)));
#pragma unroll
            for (int kt = 0; kt < KT; kt++) {
                const u32 a[4] = {x[kt][cc * 2][0], x[kt][cc * 2][1], x[kt][cc * 2 + 1][0], x[kt][cc * 2 + 1][1]};
                multiply<Activation>(acc[kt][dd * 2], a, b[0], b[1]);
                multiply<Activation>(acc[kt][dd * 2 + 1], a, b[2], b[3]);
            }
        }
    }
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

__device__ __forceinline__ void packTile(u32 (&to)[KT][CT][2], const float (&x)[KT][CT][4]) {
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int ct = 0; ct < CT; ct++) {
            to[kt][ct][0] = pack<Activation>(x[kt][ct][0], x[kt][ct][1]);
            to[kt][ct][1] = pack<Activation>(x[kt][ct][2], x[kt][ct][3]);
        }
}

struct Gradients {
    float dk[KT][D / 8][4], dv[KT][D / 8][4];
};

// One key tile against one chunk of rows: dv, dk in registers, ds (BN x BM, swizzled) in shared memory.
template <bool MASKED>
__device__ __forceinline__ void chunkStep(const FlashAttention &p, const Sequence &seq, const Dropout &drop, const DropoutPlane &plane,
        Gradients &grad, u8 *shared, u32 stage, const u8 *stagePointer, u32 dsTile, int key0, int row0, int chunkRow) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int warpKey = ((threadIdx.x >> 5) % WN) * KT * 16;
    const u32 kTile = sharedAddress(shared);
    const u32 chunkAt = chunkRow * D * 2;
    float s[KT][CT][4], dp[KT][CT][4];
    u32 half[KT][CT][2];
    transposedScores(s, kTile + warpKey * D * 2, stage + chunkAt);
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
    accumulate(grad.dv, half, stage + Q_BYTES + chunkAt);
    transposedScores(dp, kTile + K_BYTES + warpKey * D * 2, stage + Q_BYTES + chunkAt);
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
    accumulate(grad.dk, half, stage + chunkAt);
}

// dq (QT * 16 rows x DT * 8 columns of the warp) = ds k.
__device__ __forceinline__ void queryGradient(float (&dq)[QT][DT][4], u32 dsTile, u32 kTile) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int rowChunk = (warp % QWM) * QT * 2, dChunk = (warp / QWM) * DT;
#pragma unroll
    for (int qt = 0; qt < QT; qt++)
#pragma unroll
        for (int dt = 0; dt < DT; dt++)
#pragma unroll
            for (int e = 0; e < 4; e++) dq[qt][dt][e] = 0.0f;
#pragma unroll
    for (int kk = 0; kk < BN / 16; kk++) {
        u32 a[QT][4];
#pragma unroll
        for (int qt = 0; qt < QT; qt++)
            loadMatrixTransposed(a[qt], dsTile + tileOffset<BM>(kk * 16 + (lane & 7) + ((lane >> 4) << 3),
                                                        rowChunk + qt * 2 + ((lane >> 3) & 1)));
#pragma unroll
        for (int dd = 0; dd < DT / 2; dd++) {
            u32 b[4];
            loadMatrixTransposed(b, kTile + tileOffset<D>(kk * 16 + (lane & 15), dChunk + dd * 2 + (lane >> 4)));
#pragma unroll
            for (int qt = 0; qt < QT; qt++) {
                multiply<Activation>(dq[qt][dd * 2], a[qt], b[0], b[1]);
                multiply<Activation>(dq[qt][dd * 2 + 1], a[qt], b[2], b[3]);
            }
        }
    }
}

// Where a lane's four values of fragment f of a warp lie in a partial dq tile: 16 bytes a lane, coalesced.
__device__ __forceinline__ i64 fragmentAt(int warp, int f, int lane) {
    return ((i64)(warp * QT * DT + f) * 32 + lane) * 4;
}

__device__ __forceinline__ void writeQueryGradient(
        const FlashAttention &p, Activation *dq, int row, int column, float x, float y, int rows) {
    if (row < rows)
        *reinterpret_cast<u32 *>(dq + (i64)row * p.dqAt.row + column) = pack<Activation>(x, y);
}

// Adds the tile to this split's partial sums (first: stores it), or, when it is the last of them, writes dq.
__device__ __forceinline__ void storeQueryGradient(
        const FlashAttention &p, const Head &head, const float (&dq)[QT][DT][4], int row0, bool first, bool last, float factor) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    float *tile = head.partial + (i64)row0 * D;
#pragma unroll
    for (int qt = 0; qt < QT; qt++)
#pragma unroll
        for (int dt = 0; dt < DT; dt++) {
            float4 x = make_float4(dq[qt][dt][0], dq[qt][dt][1], dq[qt][dt][2], dq[qt][dt][3]);
            float *at = tile + fragmentAt(warp, qt * DT + dt, lane);
            if (last) {
                if (!first) {
                    float4 y;
                    asm volatile("ld.relaxed.gpu.global.v4.f32 {%0,%1,%2,%3}, [%4];"
                                 : "=f"(y.x), "=f"(y.y), "=f"(y.z), "=f"(y.w)
                                 : "l"(at)
                                 : "memory");
                    x = make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w);
                }
                const int row = row0 + ((warp % QWM) * QT + qt) * 16 + g;
                const int column = ((warp / QWM) * DT + dt) * 8 + t * 2;
                writeQueryGradient(p, head.dq, row, column, x.x * factor, x.y * factor, head.seq.queries);
                writeQueryGradient(p, head.dq, row + 8, column, x.z * factor, x.w * factor, head.seq.queries);
            } else if (first) {
                asm volatile("st.relaxed.gpu.global.v4.f32 [%0], {%1,%2,%3,%4};" ::"l"(at), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w)
                             : "memory");
            } else {
#if __CUDA_ARCH__ >= 900
                asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1,%2,%3,%4};" ::"l"(at), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w)
                             : "memory");
#else
                const float v[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
                for (int e = 0; e < 4; e++)
                    asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(at + e), "f"(v[e]) : "memory");
#endif
            }
        }
}

// The two warps that share key rows (WM = 2) each hold a partial sum: one finishes dv, the other dk.
__device__ __forceinline__ void writeRows(const FlashAttention &p, const float (&x)[KT][D / 8][4], const float *other,
        Activation *to, i64 stride, int key0, int keys, float factor) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int warpKey = ((threadIdx.x >> 5) % WN) * KT * 16;
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int dt = 0; dt < D / 8; dt++) {
            float4 y = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (WM == 2)
                y = reinterpret_cast<const float4 *>(other)[(((threadIdx.x >> 5) % WN) * KT * (D / 8) + kt * (D / 8) + dt) * 32 + lane];
            const int key = key0 + warpKey + kt * 16 + g;
            if (key < keys)
                *reinterpret_cast<u32 *>(to + (i64)key * stride + dt * 8 + t * 2) =
                        pack<Activation>((x[kt][dt][0] + y.x) * factor, (x[kt][dt][1] + y.y) * factor);
            if (key + 8 < keys)
                *reinterpret_cast<u32 *>(to + (i64)(key + 8) * stride + dt * 8 + t * 2) =
                        pack<Activation>((x[kt][dt][2] + y.z) * factor, (x[kt][dt][3] + y.w) * factor);
        }
}

__device__ __forceinline__ void handOver(const float (&x)[KT][D / 8][4], float *to) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int dt = 0; dt < D / 8; dt++)
            reinterpret_cast<float4 *>(to)[(((threadIdx.x >> 5) % WN) * KT * (D / 8) + kt * (D / 8) + dt) * 32 + lane] =
                    make_float4(x[kt][dt][0], x[kt][dt][1], x[kt][dt][2], x[kt][dt][3]);
}

__device__ __forceinline__ int firstRowTile(const Sequence &seq, int key0) {
    return CAUSAL ? max(0, key0 - seq.offset) / BM : 0;
}

extern "C" __global__ void __launch_bounds__(256, 1) flash_attention_backward(const FlashAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int b = blockIdx.z, h = blockIdx.y, split = blockIdx.x;
    const Sequence seq = sequenceOf(p, b);
    const int keyTiles = (seq.keys + BN - 1) / BN, rowTiles = (seq.queries + BM - 1) / BM;
    Head head;
    head.seq = seq;
    head.q = headOf(p.q, p.qAt, p, b, h, seq.queryStart);
    head.dO = headOf(p.dO, p.dOAt, p, b, h, seq.queryStart);
    head.k = headOf(p.k, p.kAt, p, b, h, seq.keyStart);
    head.v = headOf(p.v, p.vAt, p, b, h, seq.keyStart);
    head.dq = headOf(p.dq, p.dqAt, p, b, h, seq.queryStart);
    const i64 firstStat = (i64)h * p.statsRows + statsStart(p, b, seq);
    head.stats = p.stats + firstStat;
    head.partial = p.partial + ((i64)split * p.heads * p.statsRows + firstStat) * D;
    Activation *dk = headOf(p.dk, p.dkAt, p, b, h, seq.keyStart);
    Activation *dv = headOf(p.dv, p.dvAt, p, b, h, seq.keyStart);
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(b, h, p.heads, p.queryLength, p.keyLength);
    const float keepScale = DROPOUT ? drop.keepScale : 1.0f;
    const int warp = threadIdx.x >> 5;
    const u32 kTile = sharedAddress(shared), work = kTile + 2 * K_BYTES, dsTile = work + 2 * STAGE_BYTES;
    float *exchange = reinterpret_cast<float *>(shared + 2 * K_BYTES);

    if (p.splits == 1) { // rows that see no key get no tile below
        const int blind = min(seq.queries, keyTiles == 0 ? seq.queries : firstRowTile(seq, 0) * BM);
        for (int i = threadIdx.x; i < blind * CHUNKS; i += 256)
            *reinterpret_cast<uint4 *>(head.dq + (i64)(i / CHUNKS) * p.dqAt.row + i % CHUNKS * 8) = make_uint4(0, 0, 0, 0);
    }
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
            for (int dt = 0; dt < D / 8; dt++)
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
                    chunkStep<true>(p, seq, drop, plane, grad, shared, stage, stagePointer, dsTile, key0, row0, warpRow + piece);
                else
                    chunkStep<false>(p, seq, drop, plane, grad, shared, stage, stagePointer, dsTile, key0, row0, warpRow + piece);
            }
            __syncthreads();
            float dq[QT][DT][4];
            queryGradient(dq, dsTile, kTile);
            const int lastSeen = CAUSAL ? min(keyTiles - 1, (row0 + BM - 1 + seq.offset) / BN) : keyTiles - 1;
            storeQueryGradient(p, head, dq, row0, tile == split, p.splits == 1 && tile == lastSeen, p.scale * keepScale);
        }
        copyAsyncWait<0>();
        __syncthreads();
        if (tile + p.splits < keyTiles) {
            loadTile<BN, 256>(kTile, head.k, p.kAt.row, key0 + p.splits * BN, seq.keys);
            loadTile<BN, 256>(kTile + K_BYTES, head.v, p.vAt.row, key0 + p.splits * BN, seq.keys);
        }
        if (WM == 2) {
            if (warp < WN) handOver(grad.dk, exchange);
            else handOver(grad.dv, exchange + BN * D);
            __syncthreads();
        }
        if (WM == 1 || warp < WN) writeRows(p, grad.dv, exchange + BN * D, dv, p.dvAt.row, key0, seq.keys, keepScale);
        if (WM == 1 || warp >= WN) writeRows(p, grad.dk, exchange, dk, p.dkAt.row, key0, seq.keys, p.scale * keepScale);
        if (WM == 2) __syncthreads();
    }
}

// dq = scale * (sum of the splits' partial sums, in order); splits that saw no key of a row tile left it unwritten.
extern "C" __global__ void __launch_bounds__(256) flash_attention_backward_sum(const FlashAttention p) {
    const int b = blockIdx.z, h = blockIdx.y, row0 = blockIdx.x * BM;
    const Sequence seq = sequenceOf(p, b);
    if (row0 >= seq.queries) return;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    const int keyTiles = (seq.keys + BN - 1) / BN;
    const int seen = CAUSAL ? (row0 + BM - 1 + seq.offset < 0 ? 0 : min(keyTiles, (row0 + BM - 1 + seq.offset) / BN + 1)) : keyTiles;
    const i64 tileAt = ((i64)h * p.statsRows + statsStart(p, b, seq) + row0) * D;
    Activation *dq = headOf(p.dq, p.dqAt, p, b, h, seq.queryStart);
    const float factor = p.scale * (DROPOUT ? 65536.0f / (float)(65536u - p.threshold) : 1.0f);
    for (int f = 0; f < QT * DT; f++) {
        float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        for (int s = 0; s < min(p.splits, seen); s++) {
            const float4 x = *reinterpret_cast<const float4 *>(
                    p.partial + (i64)s * p.heads * p.statsRows * D + tileAt + fragmentAt(warp, f, lane));
            sum = make_float4(sum.x + x.x, sum.y + x.y, sum.z + x.z, sum.w + x.w);
        }
        const int row = row0 + ((warp % QWM) * QT + f / DT) * 16 + g, column = ((warp / QWM) * DT + f % DT) * 8 + t * 2;
        writeQueryGradient(p, dq, row, column, sum.x * factor, sum.y * factor, seq.queries);
        writeQueryGradient(p, dq, row + 8, column, sum.z * factor, sum.w * factor, seq.queries);
    }
}
