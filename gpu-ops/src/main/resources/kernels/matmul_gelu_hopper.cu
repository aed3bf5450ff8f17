// matmul_gelu_hopper.cu: a matrix product and the GELU beside it in one pass, on wgmma and the copy engine (sm_90a).
//
//   forward   x = a b, y = gelu(x + bias)    x, y (rows, CHANNELS), overwritten
//   backward  dx = (a b) gelu'(x + bias)     x read, dx overwritten; a b is the gradient of gelu's result
//   a (rows, SUMMED), b (SUMMED, CHANNELS), or its transpose in memory; bias (CHANNELS) or null; all of one type
//   The product is rounded to that type before GELU sees it: the values are those of a product and gelu.cu in turn.
//   partial (ceil(rows / 64), CHANNELS) f32, overwritten: column sums of dx over 64 rows, for gelu.cu's reduce; null: not made
// -D  ACTIVATION bf16 | fp16, CHANNELS (N) and SUMMED (K): multiples of 8, GELU_TANH 0 | 1, TRANSPOSED 0 | 1: b
// matmul_gelu_forward, matmul_gelu_backward   grid: even, one block a multiprocessor; block 640; shared matmul_gelu_shared
// Boxes of the tensor maps: 128 rows of a, 64 of b, 128 of its transpose; 64 columns; swizzled by 128 bytes.
//
// A block makes tiles of 128 x 256 in turn. One warp asks for the operands, a stage of 64 summed values at a time. Two
// warpgroups multiply, 64 rows each, and leave their part of the tile in shared memory; two more take it from there
// through GELU to device memory, while the first two are at the next tile. The blocks of a cluster of two make tiles of
// the same columns: each asks for half of b on behalf of both. Stores are streaming: nothing that is written is read again
// before it has left the L2 cache, which a and b need.
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "gelu.cuh"
#include "tma.cuh"

#ifndef CHANNELS
#define CHANNELS 3072
#endif
#ifndef SUMMED
#define SUMMED 768
#endif
#ifndef TRANSPOSED
#define TRANSPOSED 0
#endif

constexpr int N = CHANNELS, K = SUMMED, M_TILE = 128, N_TILE = 256, K_TILE = 64, PART_ROWS = 64, CLUSTER = 2,
              STAGES = 3;
constexpr int STEPS = (K + K_TILE - 1) / K_TILE, COLUMN_TILES = (N + N_TILE - 1) / N_TILE;
constexpr int ROW_BYTES = 128, PANEL_COLUMNS = 64, PANEL_BYTES = K_TILE * ROW_BYTES; // panels: of b, unless transposed
constexpr int A_BYTES = M_TILE * ROW_BYTES, B_BYTES = N_TILE * ROW_BYTES, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int PART_BYTES = PART_ROWS * N_TILE * 2, PARTS_AT = STAGES * STAGE_BYTES,
              BARRIERS_AT = PARTS_AT + 2 * PART_BYTES;
constexpr int MULTIPLYING_WARPS = 8, COPYING_WARP = 16, THREADS = 640, ROWS_AT_ONCE = 2;
extern "C" __device__ const int matmul_gelu_shared = BARRIERS_AT + STAGES * 16;

#define MATMUL_GELU(FIELD)          \
    FIELD(Activation *, x)          \
    FIELD(Activation *, out)        \
    FIELD(const Activation *, bias) \
    FIELD(float *, partial)         \
    FIELD(int, rows)
HOST_STRUCT(MatmulGelu, MATMUL_GELU)

// Named barriers, + part: of the warpgroup that multiplies a part and the one that finishes it; of the latter alone.
constexpr int PART_FREE = 1, PART_FULL = 3, SUMS = 5;

// The tiles of a block: column by column, so that blocks at work at the same time share few rows of a, and all of b.
struct Tiles {
    int at, count;
    __device__ __forceinline__ explicit Tiles(int rows) {
        at = blockIdx.x / CLUSTER;
        count = (rows + CLUSTER * M_TILE - 1) / (CLUSTER * M_TILE) * COLUMN_TILES;
    }
    __device__ __forceinline__ bool more() const { return at < count; }
    __device__ __forceinline__ void next() { at += gridDim.x / CLUSTER; }
    __device__ __forceinline__ int row() const { return (at / COLUMN_TILES * CLUSTER + blockIdx.x % CLUSTER) * M_TILE; }
    __device__ __forceinline__ int column() const { return at % COLUMN_TILES * N_TILE; }
};

// The stages, used in turn: where the next is, and how often all have been used.
struct Ring {
    u32 shared;
    int stage = 0;
    u32 round = 0;
    __device__ __forceinline__ explicit Ring(u32 shared) : shared(shared) {}
    __device__ __forceinline__ u32 a() const { return shared + stage * STAGE_BYTES; }
    __device__ __forceinline__ u32 b() const { return a() + A_BYTES; }
    __device__ __forceinline__ u32 full() const { return shared + BARRIERS_AT + stage * 16; }
    __device__ __forceinline__ u32 empty() const { return full() + 8; }
    __device__ __forceinline__ void next() {
        if (++stage == STAGES) stage = 0, round++;
    }
};

// One thread.
__device__ __forceinline__ void copyOperands(const TensorMap &a, const TensorMap &b, int rows, u32 shared) {
    constexpr u16 BOTH = 3;
    const int first = blockIdx.x % CLUSTER * (N_TILE / CLUSTER); // of the columns of b that this block asks for
    Ring ring(shared);
    for (Tiles tiles(rows); tiles.more(); tiles.next())
        for (int k = 0; k < K; k += K_TILE, ring.next()) {
            barrierWait(ring.empty(), (ring.round + 1) & 1);
            barrierExpect(ring.full(), STAGE_BYTES);
            copyBox(ring.a(), a, k, tiles.row(), ring.full());
            const int column = tiles.column() + first;
            if (TRANSPOSED) copyBox(ring.b() + first * ROW_BYTES, b, k, column, ring.full(), BOTH);
            else
#pragma unroll
                for (int c = 0; c < N_TILE / CLUSTER; c += PANEL_COLUMNS) {
                    const u32 to = ring.b() + (first + c) / PANEL_COLUMNS * PANEL_BYTES;
                    copyBox(to, b, column + c, k, ring.full(), BOTH);
                }
        }
}

// A warpgroup. In halves of 128 columns: the compiler refuses 256 in one instruction to a kernel of so many threads.
__device__ __forceinline__ void multiplyTiles(int rows, int part, u32 shared) {
    constexpr int HALF = N_TILE / 2;
    const int lane = threadIdx.x & 31, warp = (threadIdx.x >> 5) & 3;
    const u32 result = shared + PARTS_AT + part * PART_BYTES;
    const int resultRow = warp * 16 + (lane & 15), resultChunk = lane >> 4;
    Ring ring(shared);
    for (Tiles tiles(rows); tiles.more(); tiles.next()) {
        float d[2][HALF / 8][4];
        u32 before = 0;
#pragma unroll 1
        for (int step = 0; step < STEPS; step++) {
            barrierWait(ring.full(), ring.round & 1);
            const u64 a = operandAt<ROW_BYTES>(ring.a() + part * PART_ROWS * ROW_BYTES);
            const u64 b = TRANSPOSED ? operandAt<ROW_BYTES>(ring.b()) : panelsAt<PANEL_BYTES>(ring.b());
            wgmmaFence();
#pragma unroll
            for (int kk = 0; kk < K_TILE / 16; kk++)
#pragma unroll
                for (int half = 0; half < 2; half++)
                    multiplyShared<Activation, 0, !TRANSPOSED>(d[half], along(a, kk),
                        (TRANSPOSED ? along(b, kk) : alongTransposed<ROW_BYTES>(b, kk)) + half * (B_BYTES / 2 / 16),
                        step + kk > 0);
            wgmmaCommit();
            if (step > 0) { // the step before is done with: its stage may be overwritten, in both blocks by both
                wgmmaWait<1>();
                if (lane < CLUSTER) barrierArriveAt(before, lane);
            }
            before = ring.empty();
            ring.next();
        }
        wgmmaWait<0>();
        settle(d[0]);
        settle(d[1]);
        if (lane < CLUSTER) barrierArriveAt(before, lane);
        groupSync(PART_FREE + part, 256);
#pragma unroll
        for (int j = 0; j < N_TILE / 8; j += 2) {
            const float(&l)[4] = d[j * 8 / HALF][j % (HALF / 8)], (&r)[4] = d[j * 8 / HALF][j % (HALF / 8) + 1];
            storeMatrix(result + tileOffset<N_TILE>(resultRow, j + resultChunk), pack<Activation>(l[0], l[1]),
                pack<Activation>(l[2], l[3]), pack<Activation>(r[0], r[1]), pack<Activation>(r[2], r[3]));
        }
        groupArrive(PART_FULL + part, 256);
    }
    groupSync(PART_FREE + part, 256); // the last arrival has its match
}

__device__ __forceinline__ void stream(Activation *to, u32 a, u32 b, u32 c, u32 d) {
    asm volatile("st.global.cs.v4.b32 [%0], {%1,%2,%3,%4};" ::"l"(to), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

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

template <bool BACKWARD> __device__ __forceinline__ void finishTiles(const MatmulGelu &p, int part, u8 *shared) {
    const int warp = (threadIdx.x >> 5) & 3;
    groupArrive(PART_FREE + part, 256);
    u8 *result = shared + PARTS_AT + part * PART_BYTES;
    for (Tiles tiles(p.rows); tiles.more(); tiles.next())
        finishPart<BACKWARD>(p, tiles.row() + part * PART_ROWS, tiles.column(), part, warp, result);
}

template <bool BACKWARD>
__device__ __forceinline__ void matmulGelu(const TensorMap &a, const TensorMap &b, const MatmulGelu &p) {
    extern __shared__ __align__(1024) u8 shared[];
    const u32 base = sharedAddress(shared);
    const int warp = __shfl_sync(0xffffffffu, threadIdx.x >> 5, 0), part = (warp >> 2) & 1;
    if (threadIdx.x == 0) {
        Ring ring(base);
        for (int i = 0; i < STAGES; i++, ring.next()) {
            barrierSetUp(ring.full(), 1);
            barrierSetUp(ring.empty(), MULTIPLYING_WARPS * CLUSTER);
        }
        barriersReady();
    }
    clusterSync();
    // 96 registers a thread at the start, of which the 256 threads that multiply get more.
    if (warp < MULTIPLYING_WARPS) {
        takeRegisters<168>();
        multiplyTiles(p.rows, part, base);
    } else if (warp < COPYING_WARP) {
        giveRegisters<56>();
        finishTiles<BACKWARD>(p, part, shared);
    } else {
        giveRegisters<32>();
        if (warp == COPYING_WARP && (threadIdx.x & 31) == 0) copyOperands(a, b, p.rows, base);
    }
    __syncwarp();
    clusterSync(); // the other block writes here no more
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
