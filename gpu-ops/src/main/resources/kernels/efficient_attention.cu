// efficient_attention.cu: memory-efficient attention for what FLASH refuses: f32 (TF32 tensor cores, or 3xTF32 for
// nearly f32 accuracy), masks with broadcasting, value width != key width.
//   o = dropout(softmax(scale q k^T + mask)) v and its gradient. Rabe and Staats, arXiv:2112.05682.
//
//   q, o, dO, dq (B, H, Tq, .)  k, v, dk, dv (B, H, Tk, .)   q, k, dq, dk HEAD_DIM wide; v, o, dO, dv VALUE_DIM wide;
//         addressed by element strides (batch, head, row), last dimension contiguous; widths, strides and pointers
//         are multiples of 16 bytes
//   mask  (B, H, Tq, Tk) by four element strides, 0 where it is broadcast: MASK 1 boolean (u8, nonzero = attend),
//         MASK 2 additive (ACTIVATION, added to the scaled score)
//   lse   (B, H, Tq) f32, natural log; delta (B, H, Tq) f32 workspace of the backward pass
// Overwritten: o, lse; delta, dq, dk, dv. A row that attends to nothing gives o = 0, lse = +inf, zero gradients.
// causal is aligned bottom right: column c is seen by row r iff c <= r + Tk - Tq. Dropout: attention.cuh.
//
// Query-stationary forward and dq; key-stationary dk, dv: no sum crosses thread blocks, so all is deterministic.
// A warp owns 16 rows of a 64 x 64 tile and keeps P in registers: for half precision the accumulator layout is the
// operand layout of m16n8k16; for TF32 (m16n8k8) the k index is permuted, slot t = column 2t, slot t + 4 = column 2t + 1.
//
// -D  ACTIVATION, HEAD_DIM, VALUE_DIM (<= 256 forward, <= 128 backward), CAUSAL 0 | 1, DROPOUT 0 | 1, MASK 0 | 1 | 2,
//     STRICT 0 | 1 (f32 only: 3xTF32)
// efficient_attention_forward          grid (ceil(Tq / 64), H, B)  block 128  shared efficient_attention_forward_shared
// efficient_attention_backward_rows    grid (ceil(Tq / 4), H, B)   block 128
// efficient_attention_backward_query   grid (ceil(Tq / 64), H, B)  block 128  shared efficient_attention_query_shared
// efficient_attention_backward_key     grid (ceil(Tk / 64), H, B)  block 128  shared efficient_attention_key_shared
// (dynamic shared memory, bytes, readable from the module by these names)
#include "attention.cuh"

#ifndef HEAD_DIM
#define HEAD_DIM 64
#endif
#ifndef VALUE_DIM
#define VALUE_DIM HEAD_DIM
#endif
#ifndef CAUSAL
#define CAUSAL 0
#endif
#ifndef DROPOUT
#define DROPOUT 0
#endif
#ifndef MASK
#define MASK 0
#endif
#ifndef STRICT
#define STRICT 0
#endif

struct EfficientAttention {
    const Activation *q, *k, *v;
    Activation *o;
    float *lse;
    const Activation *dO;
    Activation *dq, *dk, *dv;
    float *delta;
    const void *mask;
    const StepState *state;
    Strides qAt, kAt, vAt, oAt, dOAt, dqAt, dkAt, dvAt;
    i64 maskBatch, maskHead, maskRow, maskColumn;
    int batch, heads, queryLength, keyLength;
    float scale;
    u32 threshold, site;
};

constexpr int SIZE = (int)sizeof(Activation);
constexpr int EACH = 16 / SIZE;   // elements of a 16-byte chunk
constexpr int STEP = 2 * EACH;    // k of one matrix instruction: 16 or 8
constexpr int TILE = 64, THREADS = 128, NT = TILE / 8;
// Widths padded so that a row holds 8, 16, 32 or 64 chunks.
__host__ __device__ constexpr int padded(int width) {
    int chunks = 8;
    while (chunks * EACH < width) chunks *= 2;
    return chunks * EACH;
}
constexpr int DP = padded(HEAD_DIM), VP = padded(VALUE_DIM);
// Matrix work covers only the steps that hold data.
constexpr int DSTEPS = (HEAD_DIM + STEP - 1) / STEP, VSTEPS = (VALUE_DIM + STEP - 1) / STEP;
constexpr int DT = (HEAD_DIM + 15) / 16 * 2, VT = (VALUE_DIM + 15) / 16 * 2; // 8-column accumulator tiles, even
constexpr int D_BYTES = TILE * DP * SIZE, V_BYTES = TILE * VP * SIZE;
constexpr int STAGES = 3 * (D_BYTES + V_BYTES) <= 98304 ? 2 : 1;
constexpr int BACKWARD_SHARED = (1 + STAGES) * (D_BYTES + V_BYTES);
extern "C" __device__ const int efficient_attention_forward_shared = 2 * D_BYTES + V_BYTES;
extern "C" __device__ const int efficient_attention_query_shared = BACKWARD_SHARED;
extern "C" __device__ const int efficient_attention_key_shared = BACKWARD_SHARED;

template <int WIDTH> __device__ __forceinline__ u32 chunkOffset(int row, int chunk) {
    return (u32)(row * (WIDTH * SIZE) + ((chunk ^ (row & 7)) << 4));
}

// TILE rows, PAD wide, of which WIDTH columns exist; rows at `rows` and beyond become zeros.
template <int PAD, int WIDTH>
__device__ __forceinline__ void loadTile(u32 to, const Activation *from, i64 stride, int row, int rows) {
    constexpr int CHUNKS = PAD / EACH, USED = (WIDTH + STEP - 1) / STEP * 2 > (WIDTH + 15) / 16 * 16 / EACH
            ? (WIDTH + STEP - 1) / STEP * 2
            : (WIDTH + 15) / 16 * 16 / EACH;
    for (int i = threadIdx.x; i < TILE * CHUNKS; i += THREADS) {
        const int r = i / CHUNKS, chunk = i % CHUNKS;
        if (chunk >= USED) continue;
        const bool valid = row + r < rows && chunk * EACH < WIDTH;
        copyAsync16(to + chunkOffset<PAD>(r, chunk), from + (valid ? (i64)(row + r) * stride + chunk * EACH : 0), valid);
    }
}

__device__ __forceinline__ u32 tf32(u32 x) {
    u32 y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(__uint_as_float(x)));
    return y;
}

__device__ __forceinline__ void multiplyTf32(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <> __device__ __forceinline__ void multiply<f32>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    u32 high[4], low[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        high[i] = tf32(a[i]);
        low[i] = STRICT ? tf32(__float_as_uint(__uint_as_float(a[i]) - __uint_as_float(high[i]))) : 0;
    }
    const u32 h0 = tf32(b0), h1 = tf32(b1);
    if (STRICT) {
        multiplyTf32(c, low, h0, h1);
        multiplyTf32(c, high, tf32(__float_as_uint(__uint_as_float(b0) - __uint_as_float(h0))),
                tf32(__float_as_uint(__uint_as_float(b1) - __uint_as_float(h1))));
    }
    multiplyTf32(c, high, h0, h1);
}

// acc (16 x 64) = x y^T: x the warp's 16 rows, y 64 rows, both STEPS * STEP wide in tiles of PAD columns.
template <int PAD, int STEPS> __device__ __forceinline__ void products(float (&acc)[NT][4], u32 x, u32 y) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int nt = 0; nt < NT; nt++)
#pragma unroll
        for (int e = 0; e < 4; e++) acc[nt][e] = 0.0f;
#pragma unroll
    for (int kk = 0; kk < STEPS; kk++) {
        u32 a[4];
        loadMatrix(a, x + chunkOffset<PAD>(lane & 15, kk * 2 + (lane >> 4)));
#pragma unroll
        for (int nn = 0; nn < NT / 2; nn++) {
            u32 b[4];
            loadMatrix(b, y + chunkOffset<PAD>(nn * 16 + (lane & 7) + ((lane >> 4) << 3), kk * 2 + ((lane >> 3) & 1)));
            multiply<Activation>(acc[nn * 2], a, b[0], b[1]);
            multiply<Activation>(acc[nn * 2 + 1], a, b[2], b[3]);
        }
    }
}

__device__ __forceinline__ u32 loadWord(u32 address) {
    u32 x;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}

// acc (16 x COLUMNS * 8) += x y: x (16 x 64) in the accumulator layout, y 64 rows in shared memory.
template <int PAD, int COLUMNS, typename T = Activation>
__device__ __forceinline__ void accumulate(float (&acc)[COLUMNS][4], const float (&x)[NT][4], u32 y) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    if constexpr (sizeof(T) == 2) {
#pragma unroll
        for (int kk = 0; kk < NT / 2; kk++) {
            const u32 a[4] = {pack<T>(x[kk * 2][0], x[kk * 2][1]), pack<T>(x[kk * 2][2], x[kk * 2][3]),
                    pack<T>(x[kk * 2 + 1][0], x[kk * 2 + 1][1]), pack<T>(x[kk * 2 + 1][2], x[kk * 2 + 1][3])};
#pragma unroll
            for (int dd = 0; dd < COLUMNS / 2; dd++) {
                u32 b[4];
                loadMatrixTransposed(b, y + chunkOffset<PAD>(kk * 16 + (lane & 15), dd * 2 + (lane >> 4)));
                multiply<T>(acc[dd * 2], a, b[0], b[1]);
                multiply<T>(acc[dd * 2 + 1], a, b[2], b[3]);
            }
        }
    } else {
#pragma unroll
        for (int kk = 0; kk < NT; kk++) {
            const u32 a[4] = {__float_as_uint(x[kk][0]), __float_as_uint(x[kk][2]), __float_as_uint(x[kk][1]), __float_as_uint(x[kk][3])};
#pragma unroll
            for (int dd = 0; dd < COLUMNS; dd++) {
                const int chunk = dd * 2 + (g >> 2), row = kk * 8 + t * 2;
                const u32 b0 = loadWord(y + chunkOffset<PAD>(row, chunk) + (g & 3) * 4);
                const u32 b1 = loadWord(y + chunkOffset<PAD>(row + 1, chunk) + (g & 3) * 4);
                multiply<T>(acc[dd], a, b0, b1);
            }
        }
    }
}

template <int COLUMNS> __device__ __forceinline__ void clear(float (&acc)[COLUMNS][4]) {
#pragma unroll
    for (int i = 0; i < COLUMNS; i++)
#pragma unroll
        for (int e = 0; e < 4; e++) acc[i][e] = 0.0f;
}

// Writes 16 rows of accumulators; row and column pairs that do not exist are left alone.
template <int COLUMNS, int WIDTH>
__device__ __forceinline__ void writeRows(const float (&acc)[COLUMNS][4], Activation *to, i64 stride, int row0, int rows, float upper, float lower) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = row0 + half * 8 + g;
        if (row >= rows) continue;
        const float factor = half ? lower : upper;
#pragma unroll
        for (int i = 0; i < COLUMNS; i++)
            if (i * 8 + t * 2 < WIDTH) {
                const float pair[2] = {acc[i][half * 2] * factor, acc[i][half * 2 + 1] * factor};
                store<Activation, 2>(to + (i64)row * stride + i * 8 + t * 2, pair);
            }
    }
}

struct Plane {
    const u8 *bytes;             // boolean mask of this head
    const Activation *additive;  // additive mask of this head
    i64 row, column;
    int queries, keys, offset;
};

__device__ __forceinline__ Plane planeOf(const EfficientAttention &p) {
    Plane m;
    const i64 at = blockIdx.z * p.maskBatch + blockIdx.y * p.maskHead;
    m.bytes = MASK == 1 ? static_cast<const u8 *>(p.mask) + at : nullptr;
    m.additive = MASK == 2 ? static_cast<const Activation *>(p.mask) + at : nullptr;
    m.row = p.maskRow;
    m.column = p.maskColumn;
    m.queries = p.queryLength;
    m.keys = p.keyLength;
    m.offset = p.keyLength - p.queryLength;
    return m;
}

// The score in units of log2: c * dot + mask * log2(e); -inf where the row may not attend.
__device__ __forceinline__ float score(float dot, float c, const Plane &m, int row, int column, bool edge) {
    if (edge && (column >= m.keys || (CAUSAL && column > row + m.offset))) return -INFINITY_F;
    float y = dot * c;
    if (MASK == 0 || row >= m.queries) return y;
    const i64 at = row * m.row + column * m.column;
    if (MASK == 1) return m.bytes[at] ? y : -INFINITY_F;
    return fmaf(toFloat(m.additive[at]), LOG2_E, y);
}

__device__ __forceinline__ int keysSeen(const Plane &m, int row0) {
    return CAUSAL ? max(0, min(m.keys, row0 + TILE + m.offset)) : m.keys;
}
__device__ __forceinline__ bool onEdge(const Plane &m, int row0, int column0) {
    return column0 + TILE > m.keys || (CAUSAL && column0 + TILE - 1 > row0 + m.offset);
}

template <typename T> __device__ __forceinline__ T *headOf(T *base, const Strides &at) {
    return base + blockIdx.z * at.batch + blockIdx.y * at.head;
}

extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_forward(const EfficientAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, warpRow = (threadIdx.x >> 5) * 16;
    const int row0 = (gridDim.x - 1 - blockIdx.x) * TILE;
    const Plane m = planeOf(p);
    const Activation *q = headOf(p.q, p.qAt), *k = headOf(p.k, p.kAt), *v = headOf(p.v, p.vAt);
    const u32 qTile = sharedAddress(shared), kTile = qTile + D_BYTES, vTile = kTile + D_BYTES;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, m.queries, m.keys);
    const float c = p.scale * LOG2_E;
    float o[VT][4], best[2] = {-INFINITY_F, -INFINITY_F}, sum[2] = {0.0f, 0.0f};
    clear(o);
    const int seen = keysSeen(m, row0);
    loadTile<DP, HEAD_DIM>(qTile, q, p.qAt.row, row0, m.queries);
    if (seen > 0) loadTile<DP, HEAD_DIM>(kTile, k, p.kAt.row, 0, m.keys);
    copyAsyncCommit();
#pragma unroll 1
    for (int column0 = 0; column0 < seen; column0 += TILE) {
        float s[NT][4];
        copyAsyncWait<0>();
        __syncthreads();
        loadTile<VP, VALUE_DIM>(vTile, v, p.vAt.row, column0, m.keys);
        copyAsyncCommit();
        products<DP, DSTEPS>(s, qTile + warpRow * DP * SIZE, kTile);
        copyAsyncWait<0>();
        __syncthreads();
        if (column0 + TILE < seen) loadTile<DP, HEAD_DIM>(kTile, k, p.kAt.row, column0 + TILE, m.keys);
        copyAsyncCommit();
        const bool edge = onEdge(m, row0, column0);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = row0 + warpRow + half * 8 + g;
            float top = best[half];
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[nt][half * 2 + e];
                    x = score(x, c, m, row, column0 + nt * 8 + t * 2 + e, edge);
                    top = fmaxf(top, x);
                }
            top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
            top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
            const float shift = top == -INFINITY_F ? 0.0f : top;
            const float shrink = exp2Fast(best[half] - shift);
            best[half] = top;
            sum[half] *= shrink;
#pragma unroll
            for (int i = 0; i < VT; i++) {
                o[i][half * 2] *= shrink;
                o[i][half * 2 + 1] *= shrink;
            }
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[nt][half * 2 + e];
                    x = exp2Fast(x - shift);
                    sum[half] += x;
                }
        }
        if (DROPOUT) dropRows<NT>(s, drop, plane, row0 + warpRow, column0);
        accumulate<VP, VT>(o, s, vTile);
    }
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
        sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
        const bool empty = sum[half] == 0.0f; // a NaN sum is not empty
        factor[half] = empty ? 0.0f : (DROPOUT ? drop.keepScale : 1.0f) / sum[half];
        const int row = row0 + warpRow + half * 8 + g;
        if (t == 0 && row < m.queries)
            p.lse[((i64)blockIdx.z * p.heads + blockIdx.y) * m.queries + row] = empty ? INFINITY_F : best[half] * LN_2 + __logf(sum[half]);
    }
    writeRows<VT, VALUE_DIM>(o, headOf(p.o, p.oAt), p.oAt.row, row0 + warpRow, m.queries, factor[0], factor[1]);
}

// delta[row] = (1 - p) rowsum(dO o); one warp a row.
extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_backward_rows(const EfficientAttention p) {
    const int row = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= p.queryLength) return;
    const Activation *o = headOf(p.o, p.oAt) + row * p.oAt.row, *dO = headOf(p.dO, p.dOAt) + row * p.dOAt.row;
    float sum = 0.0f;
    for (int i = lane * 2; i < VALUE_DIM; i += 64) {
        float x[2], y[2];
        load<Activation, 2>(x, o + i);
        load<Activation, 2>(y, dO + i);
        sum = fmaf(x[0], y[0], fmaf(x[1], y[1], sum));
    }
    sum = warpSum(sum);
    if (lane == 0)
        p.delta[((i64)blockIdx.z * p.heads + blockIdx.y) * p.queryLength + row] =
                sum * (DROPOUT ? (float)(65536u - p.threshold) * (1.0f / 65536.0f) : 1.0f);
}

// dq = scale * ds k, with ds = p (dp - delta) recomputed.
extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_backward_query(const EfficientAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, warpRow = (threadIdx.x >> 5) * 16;
    const int row0 = (gridDim.x - 1 - blockIdx.x) * TILE;
    const Plane m = planeOf(p);
    const Activation *k = headOf(p.k, p.kAt), *v = headOf(p.v, p.vAt);
    const u32 qTile = sharedAddress(shared), dOTile = qTile + D_BYTES, stages = dOTile + V_BYTES;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, m.queries, m.keys);
    const float c = p.scale * LOG2_E, keep = DROPOUT ? drop.keepScale : 1.0f;
    const i64 first = ((i64)blockIdx.z * p.heads + blockIdx.y) * m.queries;
    float lse[2], delta[2], dq[DT][4];
    clear(dq);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = row0 + warpRow + half * 8 + g;
        lse[half] = row < m.queries ? p.lse[first + row] * LOG2_E : INFINITY_F;
        delta[half] = row < m.queries ? p.delta[first + row] : 0.0f;
    }
    auto loadStage = [&](int column0) {
        const u32 at = stages + (column0 / TILE % STAGES) * (D_BYTES + V_BYTES);
        loadTile<DP, HEAD_DIM>(at, k, p.kAt.row, column0, m.keys);
        loadTile<VP, VALUE_DIM>(at + D_BYTES, v, p.vAt.row, column0, m.keys);
    };
    const int seen = keysSeen(m, row0);
    loadTile<DP, HEAD_DIM>(qTile, headOf(p.q, p.qAt), p.qAt.row, row0, m.queries);
    loadTile<VP, VALUE_DIM>(dOTile, headOf(p.dO, p.dOAt), p.dOAt.row, row0, m.queries);
    if (seen > 0) loadStage(0);
    copyAsyncCommit();
#pragma unroll 1
    for (int column0 = 0; column0 < seen; column0 += TILE) {
        float s[NT][4], dp[NT][4];
        copyAsyncWait<0>();
        __syncthreads();
        if (STAGES == 2 && column0 + TILE < seen) loadStage(column0 + TILE);
        copyAsyncCommit();
        const u32 kTile = stages + (column0 / TILE % STAGES) * (D_BYTES + V_BYTES);
        products<DP, DSTEPS>(s, qTile + warpRow * DP * SIZE, kTile);
        products<VP, VSTEPS>(dp, dOTile + warpRow * VP * SIZE, kTile + D_BYTES);
        if (DROPOUT) dropRows<NT>(dp, drop, plane, row0 + warpRow, column0);
        const bool edge = onEdge(m, row0, column0);
#pragma unroll
        for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int half = e >> 1, row = row0 + warpRow + half * 8 + g;
                const float y = score(s[nt][e], c, m, row, column0 + nt * 8 + t * 2 + (e & 1), edge);
                s[nt][e] = exp2Fast(y - lse[half]) * (dp[nt][e] - delta[half]);
            }
        accumulate<DP, DT>(dq, s, kTile);
        if (STAGES == 1 && column0 + TILE < seen) {
            __syncthreads();
            loadStage(column0 + TILE);
            copyAsyncCommit();
        }
    }
    const float factor = p.scale * keep;
    writeRows<DT, HEAD_DIM>(dq, headOf(p.dq, p.dqAt), p.dqAt.row, row0 + warpRow, m.queries, factor, factor);
}

// dv = p^T dO, dk = scale * ds^T q: a warp owns 16 keys and walks the rows.
extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_backward_key(const EfficientAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, warpKey = (threadIdx.x >> 5) * 16;
    const int key0 = blockIdx.x * TILE;
    const Plane m = planeOf(p);
    const Activation *q = headOf(p.q, p.qAt), *dO = headOf(p.dO, p.dOAt);
    const u32 kTile = sharedAddress(shared), vTile = kTile + D_BYTES, stages = vTile + V_BYTES;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, m.queries, m.keys);
    const float c = p.scale * LOG2_E, keep = DROPOUT ? drop.keepScale : 1.0f;
    const i64 first = ((i64)blockIdx.z * p.heads + blockIdx.y) * m.queries;
    const float *lse = p.lse + first, *delta = p.delta + first;
    float dk[DT][4], dv[VT][4];
    clear(dk);
    clear(dv);
    auto loadStage = [&](int row0) {
        const u32 at = stages + (row0 / TILE % STAGES) * (D_BYTES + V_BYTES);
        loadTile<DP, HEAD_DIM>(at, q, p.qAt.row, row0, m.queries);
        loadTile<VP, VALUE_DIM>(at + D_BYTES, dO, p.dOAt.row, row0, m.queries);
    };
    const int begin = CAUSAL ? max(0, key0 - m.offset) / TILE * TILE : 0;
    loadTile<DP, HEAD_DIM>(kTile, headOf(p.k, p.kAt), p.kAt.row, key0, m.keys);
    loadTile<VP, VALUE_DIM>(vTile, headOf(p.v, p.vAt), p.vAt.row, key0, m.keys);
    if (begin < m.queries) loadStage(begin);
    copyAsyncCommit();
#pragma unroll 1
    for (int row0 = begin; row0 < m.queries; row0 += TILE) {
        float s[NT][4], x[NT][4];
        copyAsyncWait<0>();
        __syncthreads();
        if (STAGES == 2 && row0 + TILE < m.queries) loadStage(row0 + TILE);
        copyAsyncCommit();
        const u32 qTile = stages + (row0 / TILE % STAGES) * (D_BYTES + V_BYTES), dOTile = qTile + D_BYTES;
        const bool edge = onEdge(m, row0, key0);
        products<DP, DSTEPS>(s, kTile + warpKey * DP * SIZE, qTile);
        u32 kept[NT];
#pragma unroll
        for (int nt = 0; nt < NT; nt++) {
            kept[nt] = DROPOUT ? keptBits<1>(drop, plane, key0 + warpKey, row0 + nt * 8) : 0xfu;
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int row = row0 + nt * 8 + t * 2 + (e & 1), key = key0 + warpKey + (e >> 1) * 8 + g;
                const float y = score(s[nt][e], c, m, row, key, edge);
                s[nt][e] = exp2Fast(y - (row < m.queries ? lse[row] * LOG2_E : INFINITY_F));
                x[nt][e] = (kept[nt] >> e) & 1 ? s[nt][e] : 0.0f;
            }
        }
        accumulate<VP, VT>(dv, x, dOTile);
        products<VP, VSTEPS>(x, vTile + warpKey * VP * SIZE, dOTile);
#pragma unroll
        for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int row = row0 + nt * 8 + t * 2 + (e & 1);
                const float dp = (kept[nt] >> e) & 1 ? x[nt][e] : 0.0f;
                s[nt][e] *= dp - (row < m.queries ? delta[row] : 0.0f);
            }
        accumulate<DP, DT>(dk, s, qTile);
        if (STAGES == 1 && row0 + TILE < m.queries) {
            __syncthreads();
            loadStage(row0 + TILE);
            copyAsyncCommit();
        }
    }
    writeRows<VT, VALUE_DIM>(dv, headOf(p.dv, p.dvAt), p.dvAt.row, key0 + warpKey, m.keys, keep, keep);
    writeRows<DT, HEAD_DIM>(dk, headOf(p.dk, p.dkAt), p.dkAt.row, key0 + warpKey, m.keys, p.scale * keep, p.scale * keep);
}
