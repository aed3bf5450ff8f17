// efficient_attention.cuh: what efficient_forward.cu and efficient_backward.cu share: memory-efficient attention for what
// FLASH refuses: f32 (TF32 tensor cores, or 3xTF32 for nearly f32 accuracy), masks with broadcasting, value width != key
// width.
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
#pragma once
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

#define EFFICIENT_ATTENTION(FIELD)  \
    ATTENTION_TENSORS(FIELD)        \
    FIELD(float *, delta)           \
    FIELD(const void *, mask)       \
    FIELD(const StepState *, state) \
    ATTENTION_STRIDES(FIELD)        \
    FIELD(i64, maskBatch)           \
    FIELD(i64, maskHead)            \
    FIELD(i64, maskRow)             \
    FIELD(i64, maskColumn)          \
    ATTENTION_SIZES(FIELD)          \
    ATTENTION_SCALE(FIELD)
HOST_STRUCT(EfficientAttention, EFFICIENT_ATTENTION)

constexpr int SIZE = (int)sizeof(Activation);
constexpr int EACH = 16 / SIZE; // elements of a 16-byte chunk
constexpr int STEP = 2 * EACH;  // k of one matrix instruction: 16 or 8
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

template <int WIDTH> __device__ __forceinline__ u32 chunkOffset(int row, int chunk) {
    return (u32)(row * (WIDTH * SIZE) + ((chunk ^ (row & 7)) << 4));
}

// TILE rows, PAD wide, of which WIDTH columns exist; rows at `rows` and beyond become zeros.
template <int PAD, int WIDTH>
__device__ __forceinline__ void loadTile(u32 to, const Activation *from, i64 stride, int row, int rows) {
    constexpr int CHUNKS = PAD / EACH,
                  USED = (WIDTH + STEP - 1) / STEP * 2 > (WIDTH + 15) / 16 * 16 / EACH ? (WIDTH + STEP - 1) / STEP * 2
                                                                                       : (WIDTH + 15) / 16 * 16 / EACH;
    for (int i = threadIdx.x; i < TILE * CHUNKS; i += THREADS) {
        const int r = i / CHUNKS, chunk = i % CHUNKS;
        if (chunk >= USED) continue;
        const bool valid = row + r < rows && chunk * EACH < WIDTH;
        copyAsync16(
            to + chunkOffset<PAD>(r, chunk), from + (valid ? (i64)(row + r) * stride + chunk * EACH : 0), valid);
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

// Four f32 operands as TF32 ones. Strict: x = high + low with 11 bits in each, cut off and not rounded, in two fast
// instructions where a conversion is a slow one; matrix instructions themselves ignore what low has beyond its 11.
struct Split {
    u32 high[4], low[4];
    __device__ __forceinline__ explicit Split(const u32 (&x)[4]) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            high[i] = STRICT ? x[i] & 0xffffe000u : tf32(x[i]);
            low[i] = STRICT ? __float_as_uint(__uint_as_float(x[i]) - __uint_as_float(high[i])) : 0;
        }
    }
};

// Two accumulators += a times two operands b.
template <typename T>
__device__ __forceinline__ void multiplyPair(float (&c)[4], float (&d)[4], const u32 (&a)[4], const u32 (&b)[4]) {
    if constexpr (sizeof(T) == 2) {
        multiply<T>(c, a, b[0], b[1]);
        multiply<T>(d, a, b[2], b[3]);
    } else {
        const Split x(a), y(b);
        if (STRICT) {
            multiplyTf32(c, x.low, y.high[0], y.high[1]);
            multiplyTf32(d, x.low, y.high[2], y.high[3]);
            multiplyTf32(c, x.high, y.low[0], y.low[1]);
            multiplyTf32(d, x.high, y.low[2], y.low[3]);
        }
        multiplyTf32(c, x.high, y.high[0], y.high[1]);
        multiplyTf32(d, x.high, y.high[2], y.high[3]);
    }
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
            multiplyPair<Activation>(acc[nn * 2], acc[nn * 2 + 1], a, b);
        }
    }
}

__device__ __forceinline__ u32 loadWord(u32 address) {
    u32 x;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}

// acc (16 x COLUMNS * 8) += x y: x (16 x 64) in the accumulator layout, y 64 rows in shared memory. Matrix instructions cut
// their sums off, which over a long sequence costs strict f32 its last digits: there a tile's sum is added as f32 adds.
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
                multiplyPair<T>(acc[dd * 2], acc[dd * 2 + 1], a, b);
            }
        }
    } else {
        constexpr int N = !STRICT ? COLUMNS : COLUMNS % 4 ? 2 : 4; // columns at a time
#pragma unroll
        for (int first = 0; first < COLUMNS; first += N) {
            float sum[N][4];
#pragma unroll
            for (int i = 0; i < N; i++)
#pragma unroll
                for (int e = 0; e < 4; e++) sum[i][e] = STRICT ? 0.0f : acc[first + i][e];
#pragma unroll
            for (int kk = 0; kk < NT; kk++) {
                const u32 a[4] = {__float_as_uint(x[kk][0]), __float_as_uint(x[kk][2]), __float_as_uint(x[kk][1]),
                    __float_as_uint(x[kk][3])};
#pragma unroll
                for (int i = 0; i < N; i += 2) {
                    u32 b[4];
#pragma unroll
                    for (int j = 0; j < 4; j++)
                        b[j] = loadWord(y +
                            chunkOffset<PAD>(kk * 8 + t * 2 + j % 2, (first + i + j / 2) * 2 + (g >> 2)) + (g & 3) * 4);
                    multiplyPair<T>(sum[i], sum[i + 1], a, b);
                }
            }
#pragma unroll
            for (int i = 0; i < N; i++)
#pragma unroll
                for (int e = 0; e < 4; e++) acc[first + i][e] = STRICT ? acc[first + i][e] + sum[i][e] : sum[i][e];
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
__device__ __forceinline__ void writeRows(
    const float (&acc)[COLUMNS][4], Activation *to, i64 stride, int row0, int rows, float upper, float lower) {
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
    const u8 *bytes;            // boolean mask of this head
    const Activation *additive; // additive mask of this head
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
