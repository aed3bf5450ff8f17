// fp8_quantize_hopper.cu: a matrix in FP8, beside its transpose, as the two operands of FP8 products need it: tensor cores
// read 8-bit operands along the summed dimension alone. Micikevicius et al., arXiv:2209.05433.
//
//   v = x | gelu(x + bias)    GELU 0 | 1; x (rows, columns), bias (columns) or null
//   values (rows, columns), transposed (columns, rows) of FP8, overwritten: v scale, to nearest even; what lies beyond the
//   largest number becomes that, infinities become NaN, so that they are not lost
//   scale (1) f32, read; maximum (1) f32 = max(maximum, |v|)
// -D  ACTIVATION, FP8 e4m3 | e5m2, GELU 0 | 1, GELU_TANH 0 | 1
// fp8_quantize       grid (ceil(columns / 64), ceil(rows / 128))   block 256; rows and columns are multiples of 16
// fp8_quantize_all   the same of up to 48 matrices in one launch; grid (blocks of all, in order, matrix i's from blocks[i] on; the rest
//                    of blocks is more than that)   block 256
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "fp8.cuh"
#include "gelu.cuh"

#ifndef FP8
#define FP8 e4m3
#endif
#ifndef GELU
#define GELU 0
#endif

constexpr int ROWS = 128, COLUMNS = 64, WARPS = 8, V = 8, R = 4; // a thread has R rows of V columns

#define FP8_QUANTIZE(FIELD)         \
    FIELD(u8 *, values)             \
    FIELD(u8 *, transposed)         \
    FIELD(float *, maximum)         \
    FIELD(const float *, scale)     \
    FIELD(const Activation *, x)    \
    FIELD(const Activation *, bias) \
    FIELD(int, rows)                \
    FIELD(int, columns)
HOST_STRUCT(Fp8Quantize, FP8_QUANTIZE)

constexpr int MATRICES = 48;
typedef i64 PerMatrix[MATRICES];

#define FP8_QUANTIZE_ALL(FIELD)  \
    FIELD(PerMatrix, values)     \
    FIELD(PerMatrix, transposed) \
    FIELD(PerMatrix, maximum)    \
    FIELD(PerMatrix, scale)      \
    FIELD(PerMatrix, x)          \
    FIELD(PerMatrix, rows)       \
    FIELD(PerMatrix, columns)    \
    FIELD(PerMatrix, blocks)
HOST_STRUCT(Fp8QuantizeAll, FP8_QUANTIZE_ALL)

// Where the 4 rows from 4 `row4` on of a column of the tile lie: chunks of 16 rows turn with the columns, so that neither
// writing nor reading the tile meets a bank twice.
__device__ __forceinline__ int tileWord(int column, int row4) {
    return column * (ROWS / 4) + ((row4 / 4 + column / V) & 7) * 4 + row4 % 4;
}

// One tile of a matrix, by a block.
__device__ __forceinline__ void quantize(const Fp8Quantize &p, int tileX, int tileY) {
    __shared__ __align__(16) u32 tile[COLUMNS * ROWS / 4];
    __shared__ float scratch[WARPS];
    const int tileColumn = threadIdx.x % 8 * V, row4 = threadIdx.x / 8;
    const int column = tileX * COLUMNS + tileColumn, row0 = tileY * ROWS;
    const float scale = *p.scale;
    const bool inside = column < p.columns && row0 + row4 * R < p.rows;
    const i64 first = (i64)(row0 + row4 * R) * p.columns + column;
    float most = 0.0f, bias[V] = {};
    uint2 bytes[R] = {};
    if (inside) {
        float v[R][V];
        if (GELU && p.bias != nullptr) load<Activation, V>(bias, p.bias + column);
#pragma unroll
        for (int r = 0; r < R; r++) load<Activation, V>(v[r], p.x + first + (i64)r * p.columns);
#pragma unroll
        for (int r = 0; r < R; r++) {
#pragma unroll
            for (int j = 0; j < V; j++) {
                if (GELU) v[r][j] = geluCoarse(v[r][j] + bias[j]);
                most = fmaxf(most, fabsf(v[r][j]));
            }
            bytes[r] = packScaled<FP8>(v[r], scale);
            *reinterpret_cast<uint2 *>(p.values + first + (i64)r * p.columns) = bytes[r];
        }
    }
#pragma unroll
    for (int j = 0; j < V; j += 4) {
        u32 columns[4];
        if (j == 0) transpose(columns, bytes[0].x, bytes[1].x, bytes[2].x, bytes[3].x);
        else transpose(columns, bytes[0].y, bytes[1].y, bytes[2].y, bytes[3].y);
#pragma unroll
        for (int k = 0; k < 4; k++) tile[tileWord(tileColumn + j + k, row4)] = columns[k];
    }
    most = blockMax<WARPS>(most, scratch); // its barriers are the tile's, too
    if (threadIdx.x == 0) raiseMaximum(p.maximum, most);
#pragma unroll
    for (int i = 0; i < COLUMNS * ROWS / 16 / 256; i++) {
        const int chunk = threadIdx.x % 8, to = threadIdx.x / 8 + i * 32, row = row0 + chunk * 16;
        if (tileX * COLUMNS + to < p.columns && row < p.rows)
            *reinterpret_cast<uint4 *>(p.transposed + (i64)(tileX * COLUMNS + to) * p.rows + row) =
                *reinterpret_cast<const uint4 *>(tile + tileWord(to, chunk * 4));
    }
}

extern "C" __global__ void __launch_bounds__(256) fp8_quantize(const Fp8Quantize p) {
    quantize(p, blockIdx.x, blockIdx.y);
}

extern "C" __global__ void __launch_bounds__(256) fp8_quantize_all(const __grid_constant__ Fp8QuantizeAll all) {
    int i = 0;
    while (i + 1 < MATRICES && blockIdx.x >= all.blocks[i + 1]) i++;
    Fp8Quantize p;
    p.values = reinterpret_cast<u8 *>(all.values[i]);
    p.transposed = reinterpret_cast<u8 *>(all.transposed[i]);
    p.maximum = reinterpret_cast<float *>(all.maximum[i]);
    p.scale = reinterpret_cast<const float *>(all.scale[i]);
    p.x = reinterpret_cast<const Activation *>(all.x[i]);
    p.bias = nullptr;
    p.rows = (int)all.rows[i];
    p.columns = (int)all.columns[i];
    const int tile = blockIdx.x - (int)all.blocks[i], across = (p.columns + COLUMNS - 1) / COLUMNS;
    quantize(p, tile % across, tile / across);
}
#endif
