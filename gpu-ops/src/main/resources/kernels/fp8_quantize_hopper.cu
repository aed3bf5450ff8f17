// fp8_quantize_hopper.cu: a matrix in FP8, beside its transpose, as the two operands of FP8 products need it: tensor cores
// read 8-bit operands along the summed dimension alone. Micikevicius et al., arXiv:2209.05433.
//
//   v = x | gelu(x + bias)    GELU 0 | 1; x (rows, columns), with GELU overwritten by gelu'(x + bias); bias (columns) or null
//   values (rows, columns), transposed (columns, rows) of FP8, overwritten: v scale, to nearest even; what lies beyond the
//   largest number becomes that, infinities become NaN, so that they are not lost
//   scale (1) f32, read; maximum (1) f32 = max(maximum, |v|)
// -D  ACTIVATION, FP8 e4m3 | e5m2, GELU 0 | 1, GELU_TANH 0 | 1
// fp8_quantize       grid (ceil(columns / 64), ceil(rows / 128))   block 256; rows and columns are multiples of 16
// fp8_quantize_all   the same of up to 48 matrices in one launch; grid (blocks of all, in order, matrix i's from blocks[i] on; the rest
//                    of blocks is more than that)   block 256
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "fp8_tile.cuh"
#include "gelu_coarse.cuh"

#ifndef FP8
#define FP8 e4m3
#endif
#ifndef GELU
#define GELU 0
#endif

#define FP8_QUANTIZE(FIELD)         \
    FIELD(u8 *, values)             \
    FIELD(u8 *, transposed)         \
    FIELD(float *, maximum)         \
    FIELD(const float *, scale)     \
    FIELD(Activation *, x)          \
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

// One tile of a matrix, by a block.
__device__ __forceinline__ void quantize(const Fp8Quantize &p, int tileX, int tileY) {
    const Fp8Tile to = {p.values, p.transposed, p.maximum, *p.scale, p.rows, p.columns};
    const int column = tileX * COLUMNS + threadIdx.x % 8 * V; // this thread's, in all rows
    float bias[V] = {};
    if (GELU && p.bias != nullptr && column < p.columns) load<Activation, V>(bias, p.bias + column);
    quantizeTile<FP8>(to, p.x, tileX, tileY, [&](float(&v)[V], int row, int) {
        if (!GELU) return;
        u32 slopes[V / 2];
#pragma unroll
        for (int j = 0; j < V; j += 2)
            geluCoarse(v[j] + bias[j], v[j + 1] + bias[j + 1], v[j], v[j + 1], slopes[j / 2]);
        *reinterpret_cast<uint4 *>(p.x + (i64)row * p.columns + column) =
            make_uint4(slopes[0], slopes[1], slopes[2], slopes[3]);
    });
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
    p.x = reinterpret_cast<Activation *>(all.x[i]);
    p.bias = nullptr;
    p.rows = (int)all.rows[i];
    p.columns = (int)all.columns[i];
    const int tile = blockIdx.x - (int)all.blocks[i], across = (p.columns + COLUMNS - 1) / COLUMNS;
    quantize(p, tile % across, tile / across);
}
#endif
