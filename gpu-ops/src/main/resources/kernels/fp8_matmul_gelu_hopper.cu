// fp8_matmul_gelu_hopper.cu: a product of FP8 matrices and the GELU beside it in one pass, with the result in FP8, beside its
// transpose, as the products that follow need it. Micikevicius et al., arXiv:2209.05433; Hendrycks and Gimpel, arXiv:1606.08415.
//
//   forward   x = a b^T, y = gelu(x + bias)    a of e4m3, y to e4m3; kept (rows, CHANNELS) of ACTIVATION, overwritten: gelu'(x +
//                                              bias), or x itself with KEEPS_X
//   backward  dx = (a b^T) gelu'(x + bias)     a of e5m2, dx to e5m2; kept: the slopes, read; a b^T is the gradient of gelu's result
//   a (rows, SUMMED), b (CHANNELS, SUMMED) of e4m3; inverseA, inverseB (1) f32: what they are multiplied by; bias (CHANNELS) or null
//   values (rows, CHANNELS), transposed (CHANNELS, rows), overwritten: y or dx times scale (1) f32
//   maximum (1) f32 = max(maximum, |y| or |dx|)
//   The product is rounded to ACTIVATION before GELU sees it; its sums stay in the tensor cores' accumulators, of about 14 bits.
//   partial (ceil(rows / 64), CHANNELS) f32, overwritten, by backward: column sums of dx over 64 rows, for gelu.cu's reduce; null:
//   not made
// -D  ACTIVATION bf16 | fp16, CHANNELS, SUMMED, GELU_TANH 0 | 1, KEEPS_X 0 | 1; rows, CHANNELS and SUMMED are multiples of 16
// fp8_matmul_gelu_forward, _backward   grid: even, one block a multiprocessor; block 640; shared fp8_matmul_gelu_shared
// The product is made as matmul_tiles_hopper.cuh says. On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "gelu_coarse.cuh"
#define TRANSPOSED 1
#include "matmul_tiles_hopper.cuh"

#ifndef KEEPS_X
#define KEEPS_X 0
#endif

extern "C" __device__ const int fp8_matmul_gelu_shared = SHARED_BYTES;

#define FP8_MATMUL_GELU(FIELD)      \
    FIELD(Activation *, kept)       \
    FIELD(u8 *, values)             \
    FIELD(u8 *, transposed)         \
    FIELD(float *, maximum)         \
    FIELD(float *, partial)         \
    FIELD(const float *, inverseA)  \
    FIELD(const float *, inverseB)  \
    FIELD(const float *, scale)     \
    FIELD(const Activation *, bias) \
    FIELD(int, rows)
HOST_STRUCT(Fp8MatmulGelu, FP8_MATMUL_GELU)

constexpr int R = 4, TURN_ROWS = 16, TURNS = PART_ROWS / TURN_ROWS; // a lane has 4 rows of 8 columns a turn

__device__ __forceinline__ void storeShared(u32 address, u32 x) {
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(x) : "memory");
}
__device__ __forceinline__ uint4 loadShared(u32 address) {
    uint4 x;
    asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
                 : "r"(address)
                 : "memory");
    return x;
}

// partial = the warp's column sums; sum: of 8 columns over the lane's rows.
__device__ __forceinline__ void addRows(const Fp8MatmulGelu &p, int row0, int column, int rows, float (&sum)[8]) {
    if (p.partial == nullptr) return;
#pragma unroll
    for (int j = 0; j < 8; j++) {
        sum[j] += __shfl_xor_sync(0xffffffffu, sum[j], 8);
        sum[j] += __shfl_xor_sync(0xffffffffu, sum[j], 16);
    }
    if ((threadIdx.x & 31) < 8 && rows > 0) store<f32, 8>(p.partial + (i64)(row0 / PART_ROWS) * N + column, sum);
}

// A warp: 64 columns of its warpgroup's part of one tile. Once the warp has read the 16 rows of a turn, their place in shared
// memory takes their transpose: column 8 c + j of 16 bytes is in row j, chunk c ^ 2 turn, so that no bank is met twice.
template <bool BACKWARD>
__device__ __forceinline__ void finishPart(
    const Fp8MatmulGelu &p, int row0, int tileColumn, int part, float scale, u32 result, float &most) {
    const int lane = threadIdx.x & 31, warp = (threadIdx.x >> 5) & 3;
    const int columns = lane & 7, rowOfTurn = (lane >> 3) * R; // eight columns; the first of the lane's rows
    const int column0 = tileColumn + warp * 64, column = column0 + columns * 8;
    const int rows = column < N ? min(PART_ROWS, p.rows - row0) : 0; // that this lane has: a multiple of 16
    const i64 first = (i64)(row0 + rowOfTurn) * N + column;
    __align__(16) u32 bias[4] = {};
    if (!BACKWARD && p.bias != nullptr && column < N)
        *reinterpret_cast<uint4 *>(bias) = *reinterpret_cast<const uint4 *>(p.bias + column);
    float sum[8] = {};
    uint4 ahead[R];
    const auto look = [&](int turn, int r) {
        if (turn * TURN_ROWS < rows)
            ahead[r] = *reinterpret_cast<const uint4 *>(p.kept + first + (i64)(turn * TURN_ROWS + r) * N);
    };
    if (BACKWARD)
#pragma unroll
        for (int r = 0; r < R; r++) look(0, r);
    groupSync(PART_FULL + part, 256);
#pragma unroll 1
    for (int turn = 0; turn < TURNS; turn++) {
        uint2 bytes[R] = {};
        if (turn * TURN_ROWS < rows)
#pragma unroll
            for (int r = 0; r < R; r++) {
                const int row = turn * TURN_ROWS + rowOfTurn + r;
                const i64 e = first + (i64)(turn * TURN_ROWS + r) * N;
                const uint4 product = loadShared(result + tileOffset<N_TILE>(row, warp * 8 + columns)), x = ahead[r];
                if (BACKWARD) look(turn + 1, r);
                const u32 products[4] = {product.x, product.y, product.z, product.w}, slopes[4] = {x.x, x.y, x.z, x.w};
                u32 kept[4];
                float v[8];
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    const float2 pair = unpack<Activation>(products[j]);
                    if (BACKWARD) {
                        const float2 slope = unpack<Activation>(slopes[j]);
                        v[2 * j] = pair.x * slope.x;
                        v[2 * j + 1] = pair.y * slope.y;
                        sum[2 * j] += v[2 * j];
                        sum[2 * j + 1] += v[2 * j + 1];
                    } else {
                        const float2 b = unpack<Activation>(bias[j]);
                        geluCoarse(pair.x + b.x, pair.y + b.y, v[2 * j], v[2 * j + 1], kept[j]);
                        if (KEEPS_X) kept[j] = products[j];
                    }
                    most = fmaxf(most, fmaxf(fabsf(v[2 * j]), fabsf(v[2 * j + 1])));
                }
                if constexpr (BACKWARD) bytes[r] = packScaled<e5m2>(v, scale);
                else {
                    bytes[r] = packScaled<e4m3>(v, scale);
                    stream(p.kept + e, kept[0], kept[1], kept[2], kept[3]);
                }
                stream(p.values + e, bytes[r]);
            }
        __syncwarp();
        const u32 to = result + (warp * 8 + (columns ^ turn * 2)) * 16 + rowOfTurn + turn * TURN_ROWS * N_TILE * 2;
        u32 left[4], right[4];
        transpose(left, bytes[0].x, bytes[1].x, bytes[2].x, bytes[3].x);
        transpose(right, bytes[0].y, bytes[1].y, bytes[2].y, bytes[3].y);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            storeShared(to + j * N_TILE * 2, left[j]);
            storeShared(to + (4 + j) * N_TILE * 2, right[j]);
        }
    }
    __syncwarp();
    const int turn = lane & 3, c = lane >> 2;
    const u32 from = result + (warp * 8 + (c ^ turn * 2)) * 16 + turn * TURN_ROWS * N_TILE * 2;
    if (column0 + c * 8 < N && row0 + turn * TURN_ROWS < p.rows) {
        u8 *to = p.transposed + (i64)(column0 + c * 8) * p.rows + row0 + turn * TURN_ROWS;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const uint4 x = loadShared(from + j * N_TILE * 2);
            stream(to + (i64)j * p.rows, x.x, x.y, x.z, x.w);
        }
    }
    groupArrive(PART_FREE + part, 256);
    if constexpr (BACKWARD) addRows(p, row0, column, rows, sum);
}

template <typename Left, bool BACKWARD>
__device__ __forceinline__ void matmulGelu(const TensorMap &a, const TensorMap &b, const Fp8MatmulGelu &p) {
    extern __shared__ __align__(1024) u8 shared[];
    multiplyAndFinish<Left, 160, 64>(a, b, p.rows, *p.inverseA * *p.inverseB, shared, [&](int part) {
        const u32 result = sharedAddress(shared) + PARTS_AT + part * PART_BYTES;
        const float scale = *p.scale;
        float most = 0.0f;
        for (Tiles tiles(p.rows); tiles.more(); tiles.next())
            finishPart<BACKWARD>(p, tiles.row() + part * PART_ROWS, tiles.column(), part, scale, result, most);
        most = warpMax(most);
        if ((threadIdx.x & 31) == 0) raiseMaximum(p.maximum, most);
    });
}

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1) fp8_matmul_gelu_forward(
    const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const Fp8MatmulGelu p) {
    matmulGelu<e4m3, false>(a, b, p);
}

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1) fp8_matmul_gelu_backward(
    const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const Fp8MatmulGelu p) {
    matmulGelu<e5m2, true>(a, b, p);
}
#endif
