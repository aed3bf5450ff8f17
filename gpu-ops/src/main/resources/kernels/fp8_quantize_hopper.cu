// fp8_quantize_hopper.cu: a matrix in FP8, beside its transpose, as the two operands of FP8 products need it: tensor cores
// read 8-bit operands along the summed dimension alone. Micikevicius et al., arXiv:2209.05433.
//
//   v = x | gelu(x + bias) | dy gelu'(x + bias)    SOURCE 0 | 1 | 2; x, dy (rows, columns), bias (columns) or null
//   values (rows, columns), transposed (columns, rows) of FP8, overwritten: v scale, to nearest even; what lies beyond the
//   largest number becomes that, infinities become NaN, so that they are not lost
//   scale (1) f32, read; maximum (1) f32 = max(maximum, |v|)
//   partial (ceil(rows / 128), columns) f32, overwritten, SOURCE 2 alone: column sums of v over 128 rows, for gelu.cu's
//   reduce; null: not made
// -D  ACTIVATION, FP8 e4m3 | e5m2, SOURCE, GELU_TANH 0 | 1
// fp8_quantize   grid (ceil(columns / 64), ceil(rows / 128))   block 256; rows and columns are multiples of 16
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "gelu.cuh"

#ifndef FP8
#define FP8 e4m3
#endif
#ifndef SOURCE
#define SOURCE 0
#endif

constexpr int PLAIN = 0, GELU = 1;
constexpr int ROWS = 128, COLUMNS = 64, WARPS = 8, V = 8, R = 4; // a thread has R rows of V columns

#define FP8_QUANTIZE(FIELD)         \
    FIELD(u8 *, values)             \
    FIELD(u8 *, transposed)         \
    FIELD(float *, maximum)         \
    FIELD(float *, partial)         \
    FIELD(const float *, scale)     \
    FIELD(const Activation *, x)    \
    FIELD(const Activation *, dy)   \
    FIELD(const Activation *, bias) \
    FIELD(int, rows)                \
    FIELD(int, columns)
HOST_STRUCT(Fp8Quantize, FP8_QUANTIZE)

struct e4m3 {};
struct e5m2 {};

// Two values, low byte first. 0 x is NaN where x is infinite.
template <typename T> __device__ __forceinline__ u32 packScaled(float low, float high, float scale);
template <> __device__ __forceinline__ u32 packScaled<e4m3>(float low, float high, float scale) {
    u16 y;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;"
        : "=h"(y)
        : "f"(fmaf(high, 0.0f, high * scale)), "f"(fmaf(low, 0.0f, low * scale)));
    return y;
}
template <> __device__ __forceinline__ u32 packScaled<e5m2>(float low, float high, float scale) {
    u16 y;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;"
        : "=h"(y)
        : "f"(fmaf(high, 0.0f, high * scale)), "f"(fmaf(low, 0.0f, low * scale)));
    return y;
}

// Four rows of four bytes to four columns.
__device__ __forceinline__ void transpose(u32 (&to)[4], u32 row0, u32 row1, u32 row2, u32 row3) {
    const u32 low01 = __byte_perm(row0, row1, 0x5140), low23 = __byte_perm(row2, row3, 0x5140);
    const u32 high01 = __byte_perm(row0, row1, 0x7362), high23 = __byte_perm(row2, row3, 0x7362);
    to[0] = __byte_perm(low01, low23, 0x5410);
    to[1] = __byte_perm(low01, low23, 0x7632);
    to[2] = __byte_perm(high01, high23, 0x5410);
    to[3] = __byte_perm(high01, high23, 0x7632);
}

// Where the 4 rows from 4 `row4` on of a column of the tile lie: chunks of 16 rows turn with the columns, so that neither
// writing nor reading the tile meets a bank twice.
__device__ __forceinline__ int tileWord(int column, int row4) {
    return column * (ROWS / 4) + ((row4 / 4 + column / V) & 7) * 4 + row4 % 4;
}

__device__ __forceinline__ void addColumns(const Fp8Quantize &p, float (&sum)[V], float (*shared)[COLUMNS]) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
    for (int j = 0; j < V; j++) {
        sum[j] += __shfl_xor_sync(0xffffffffu, sum[j], 8);
        sum[j] += __shfl_xor_sync(0xffffffffu, sum[j], 16);
        if (lane < 8) shared[warp][lane * V + j] = sum[j];
    }
    __syncthreads();
    const int column = blockIdx.x * COLUMNS + threadIdx.x;
    if (threadIdx.x >= COLUMNS || column >= p.columns) return;
    float total = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) total += shared[w][threadIdx.x];
    p.partial[(i64)blockIdx.y * p.columns + column] = total;
}

extern "C" __global__ void __launch_bounds__(256) fp8_quantize(const Fp8Quantize p) {
    __shared__ __align__(16) u32 tile[COLUMNS * ROWS / 4];
    __shared__ float sums[SOURCE > GELU ? WARPS : 1][COLUMNS], scratch[WARPS];
    const int tileColumn = threadIdx.x % 8 * V, row4 = threadIdx.x / 8;
    const int column = blockIdx.x * COLUMNS + tileColumn, row0 = blockIdx.y * ROWS;
    const float scale = *p.scale;
    const bool inside = column < p.columns && row0 + row4 * R < p.rows;
    const i64 first = (i64)(row0 + row4 * R) * p.columns + column;
    float most = 0.0f, sum[V] = {}, bias[V] = {};
    u32 bytes[R][2] = {};
    if (inside) {
        float v[R][V], dy[SOURCE > GELU ? R : 1][V];
        if (SOURCE != PLAIN && p.bias != nullptr) load<Activation, V>(bias, p.bias + column);
#pragma unroll
        for (int r = 0; r < R; r++) {
            load<Activation, V>(v[r], p.x + first + (i64)r * p.columns);
            if (SOURCE > GELU) load<Activation, V>(dy[r], p.dy + first + (i64)r * p.columns);
        }
#pragma unroll
        for (int r = 0; r < R; r++) {
#pragma unroll
            for (int j = 0; j < V; j++) {
                if (SOURCE == GELU) v[r][j] = gelu(v[r][j] + bias[j]);
                if (SOURCE > GELU) v[r][j] = dy[r][j] * geluSlope(v[r][j] + bias[j]);
                sum[j] += v[r][j];
                most = fmaxf(most, fabsf(v[r][j]));
            }
#pragma unroll
            for (int j = 0; j < V; j += 4)
                bytes[r][j / 4] = packScaled<FP8>(v[r][j], v[r][j + 1], scale) |
                    packScaled<FP8>(v[r][j + 2], v[r][j + 3], scale) << 16;
            *reinterpret_cast<uint2 *>(p.values + first + (i64)r * p.columns) = make_uint2(bytes[r][0], bytes[r][1]);
        }
    }
#pragma unroll
    for (int j = 0; j < V; j += 4) {
        u32 columns[4];
        transpose(columns, bytes[0][j / 4], bytes[1][j / 4], bytes[2][j / 4], bytes[3][j / 4]);
#pragma unroll
        for (int k = 0; k < 4; k++) tile[tileWord(tileColumn + j + k, row4)] = columns[k];
    }
    most = blockMax<WARPS>(most, scratch); // its barriers are the tile's, too
    if (threadIdx.x == 0 && most > 0.0f) atomicMax(reinterpret_cast<int *>(p.maximum), __float_as_int(most));
#pragma unroll
    for (int i = 0; i < COLUMNS * ROWS / 16 / 256; i++) {
        const int chunk = threadIdx.x % 8, to = threadIdx.x / 8 + i * 32, row = row0 + chunk * 16;
        if (blockIdx.x * COLUMNS + to < p.columns && row < p.rows)
            *reinterpret_cast<uint4 *>(p.transposed + (i64)(blockIdx.x * COLUMNS + to) * p.rows + row) =
                *reinterpret_cast<const uint4 *>(tile + tileWord(to, chunk * 4));
    }
    if (SOURCE > GELU && p.partial != nullptr) addColumns(p, sum, sums);
}
#endif
