// matmul_gelu_hopper.cu: a matrix product and the GELU beside it in one pass, on wgmma and the copy engine (sm_90a).
//
//   forward   x = a b, y = gelu(x + bias)    x, y (rows, CHANNELS), overwritten
//   backward  dx = (a b) gelu'(x + bias)     x read, dx overwritten; a b is the gradient of gelu's result
//   a (rows, SUMMED), b (SUMMED, CHANNELS), or its transpose in memory; bias (CHANNELS) or null; all of one type
//   The product is rounded to that type before GELU sees it: the values are those of a product and gelu.cu in turn.
//   partial (ceil(rows / 64), CHANNELS) f32, overwritten: column sums of dx over 64 rows, for gelu.cu's reduce; null: not made
// -D  ACTIVATION bf16 | fp16, CHANNELS (N) and SUMMED (K): multiples of 8, GELU_TANH 0 | 1, TRANSPOSED 0 | 1: b
// matmul_gelu_forward, matmul_gelu_backward   grid: even, one block a multiprocessor; block 640; shared matmul_gelu_shared
// The product is made as matmul_tiles_hopper.cuh says. Stores are streaming: nothing that is written is read again before it
// has left the L2 cache, which a and b need.
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "gelu.cuh"
#include "matmul_tiles_hopper.cuh"

constexpr int ROWS_AT_ONCE = 2, SUMS = 5; // SUMS, + part: the named barrier of the warpgroup that finishes a part
extern "C" __device__ const int matmul_gelu_shared = SHARED_BYTES;

#define MATMUL_GELU(FIELD)          \
    FIELD(Activation *, x)          \
    FIELD(Activation *, out)        \
    FIELD(const Activation *, bias) \
    FIELD(float *, partial)         \
    FIELD(int, rows)
HOST_STRUCT(MatmulGelu, MATMUL_GELU)

// partial = column sums over a warpgroup's part of the tile; sum: of 8 columns over every fourth row. Through shared memory
// that all of the warpgroup have read.
__device__ __forceinline__ void addWarps(
    const MatmulGelu &p, int row0, int tileColumn, int part, int warp, const float (&sum)[8], float *shared) {
    const int lane = threadIdx.x & 31;
    groupSync(SUMS + part, 128);
#pragma unroll
    for (int j = 0; j < 8; j++) shared[warp * N_TILE + j * 32 + lane] = sum[j];
    groupSync(SUMS + part, 128);
#pragma unroll 1
    for (int c = warp * 32 + lane; c < N_TILE; c += 128) {
        float total = 0.0f;
#pragma unroll
        for (int w = 0; w < 4; w++) total += shared[w * N_TILE + (c & 7) * 32 + (c >> 3)];
        if (row0 < p.rows && tileColumn + c < N) p.partial[(i64)(row0 / PART_ROWS) * N + tileColumn + c] = total;
    }
}

// A warpgroup: its part of one tile. A lane has 8 columns of every fourth row.
template <bool BACKWARD>
__device__ __forceinline__ void finishPart(
    const MatmulGelu &p, int row0, int tileColumn, int part, int warp, u8 *result) {
    const int lane = threadIdx.x & 31, column = tileColumn + lane * 8;
    const int rows = column < N ? min(PART_ROWS, p.rows - row0) : 0; // that this lane has
    const i64 e0 = (i64)row0 * N + column;
    float b[8], sum[8];
#pragma unroll
    for (int j = 0; j < 8; j++) b[j] = sum[j] = 0.0f;
    if (p.bias != nullptr && column < N) load<Activation, 8>(b, p.bias + column);
    uint4 ahead[ROWS_AT_ONCE];
    const auto look = [&](int first) {
#pragma unroll
        for (int r = 0; r < ROWS_AT_ONCE; r++) {
            const int row = first + 4 * r;
            if (row < rows) ahead[r] = *reinterpret_cast<const uint4 *>(p.x + e0 + row * N);
        }
    };
    if (BACKWARD) look(warp);
    groupSync(PART_FULL + part, 256);
#pragma unroll 1
    for (int first = warp; first < PART_ROWS; first += 4 * ROWS_AT_ONCE) {
        uint4 x[ROWS_AT_ONCE];
        if (BACKWARD) {
#pragma unroll
            for (int r = 0; r < ROWS_AT_ONCE; r++) x[r] = ahead[r];
            look(first + 4 * ROWS_AT_ONCE);
        }
#pragma unroll
        for (int r = 0; r < ROWS_AT_ONCE; r++) {
            const int row = first + 4 * r;
            if (row >= rows) continue;
            const uint4 product = *reinterpret_cast<const uint4 *>(result + tileOffset<N_TILE>(row, lane));
            const u32 products[4] = {product.x, product.y, product.z, product.w};
            const u32 xs[4] = {x[r].x, x[r].y, x[r].z, x[r].w};
            float v[8];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const float2 pair = unpack<Activation>(products[j]);
                if (BACKWARD) {
                    const float2 at = unpack<Activation>(xs[j]);
                    v[2 * j] = pair.x * geluSlope(at.x + b[2 * j]);
                    v[2 * j + 1] = pair.y * geluSlope(at.y + b[2 * j + 1]);
                    sum[2 * j] += v[2 * j];
                    sum[2 * j + 1] += v[2 * j + 1];
                } else {
                    v[2 * j] = gelu(pair.x + b[2 * j]);
                    v[2 * j + 1] = gelu(pair.y + b[2 * j + 1]);
                }
            }
            if (!BACKWARD) stream(p.x + e0 + row * N, products[0], products[1], products[2], products[3]);
            stream(p.out + e0 + row * N, pack<Activation>(v[0], v[1]), pack<Activation>(v[2], v[3]),
                pack<Activation>(v[4], v[5]), pack<Activation>(v[6], v[7]));
        }
    }
    if (BACKWARD && p.partial != nullptr)
        addWarps(p, row0, tileColumn, part, warp, sum, reinterpret_cast<float *>(result));
    groupArrive(PART_FREE + part, 256);
}

template <bool BACKWARD>
__device__ __forceinline__ void matmulGelu(const TensorMap &a, const TensorMap &b, const MatmulGelu &p) {
    extern __shared__ __align__(1024) u8 shared[];
    multiplyAndFinish<Activation, 168, 56>(a, b, p.rows, 1.0f, shared, [&](int part) {
        const int warp = (threadIdx.x >> 5) & 3;
        u8 *result = shared + PARTS_AT + part * PART_BYTES;
        for (Tiles tiles(p.rows); tiles.more(); tiles.next())
            finishPart<BACKWARD>(p, tiles.row() + part * PART_ROWS, tiles.column(), part, warp, result);
    });
}

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
    matmul_gelu_forward(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const MatmulGelu p) {
    matmulGelu<false>(a, b, p);
}

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
    matmul_gelu_backward(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const MatmulGelu p) {
    matmulGelu<true>(a, b, p);
}
#endif
