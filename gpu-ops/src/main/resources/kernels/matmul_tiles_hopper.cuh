// matmul_tiles_hopper.cuh: the tiles of a matrix product a b on wgmma and the copy engine (sm_90a), for kernels that finish
// them: matmul_gelu_hopper.cu and fp8_matmul_gelu_hopper.cu.
//
// A block makes tiles of 128 x 256 in turn. One warp asks for the operands, a stage of 128 bytes of summed values at a time.
// Two warpgroups multiply, 64 rows each, and leave their part of the tile in shared memory, of Activation; two more take it
// from there to device memory, while the first two are at the next tile. The blocks of a cluster of two make tiles of the
// same columns: each asks for half of b on behalf of both.
// a (rows, SUMMED) of Left, b (SUMMED, CHANNELS), or its transpose in memory (TRANSPOSED); b is of the same type, or of e4m3 where
// Left has 8 bits, and then transposed.
// -D  ACTIVATION bf16 | fp16, CHANNELS (N), SUMMED (K), TRANSPOSED 0 | 1
// Boxes of the tensor maps: 128 rows of a; 64 of b or 128 of its transpose; 128 bytes; swizzled by 128 bytes.
#pragma once
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

constexpr int N = CHANNELS, K = SUMMED, M_TILE = 128, N_TILE = 256, PART_ROWS = 64, CLUSTER = 2, STAGES = 3;
constexpr int COLUMN_TILES = (N + N_TILE - 1) / N_TILE;
constexpr int ROW_BYTES = 128, PANEL_COLUMNS = 64, PANEL_BYTES = 64 * ROW_BYTES; // panels: of b, unless transposed
constexpr int A_BYTES = M_TILE * ROW_BYTES, B_BYTES = N_TILE * ROW_BYTES, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int PART_BYTES = PART_ROWS * N_TILE * 2, PARTS_AT = STAGES * STAGE_BYTES,
              BARRIERS_AT = PARTS_AT + 2 * PART_BYTES, SHARED_BYTES = BARRIERS_AT + STAGES * 16;
constexpr int MULTIPLYING_WARPS = 8, COPYING_WARP = 16, THREADS = 640;
// Values that 128 bytes hold.
template <typename Left> constexpr int K_TILE = ROW_BYTES / (int)sizeof(Left);

// Named barriers, + part: of the warpgroup that multiplies a part and the one that finishes it.
constexpr int PART_FREE = 1, PART_FULL = 3;

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
template <typename Left>
__device__ __forceinline__ void copyOperands(const TensorMap &a, const TensorMap &b, int rows, u32 shared) {
    constexpr u16 BOTH = 3;
    const int first = blockIdx.x % CLUSTER * (N_TILE / CLUSTER); // of the columns of b that this block asks for
    Ring ring(shared);
    for (Tiles tiles(rows); tiles.more(); tiles.next())
        for (int k = 0; k < K; k += K_TILE<Left>, ring.next()) {
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

// A warpgroup: its part of the block's tiles, times factor. In halves of 128 columns: the compiler refuses 256 in one instruction
// to a kernel of so many threads.
template <typename Left> __device__ __forceinline__ void multiplyTiles(int rows, int part, float factor, u32 shared) {
    constexpr int HALF = N_TILE / 2, STEPS = (K + K_TILE<Left> - 1) / K_TILE<Left>;
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
            for (int kk = 0; kk < ROW_BYTES / 32; kk++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const u64 right =
                        (TRANSPOSED ? along(b, kk) : alongTransposed<ROW_BYTES>(b, kk)) + half * (B_BYTES / 2 / 16);
                    if constexpr (sizeof(Left) == 1) multiplyShared8<Left>(d[half], along(a, kk), right, step + kk > 0);
                    else multiplyShared<Left, 0, !TRANSPOSED>(d[half], along(a, kk), right, step + kk > 0);
                }
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
            storeMatrix(result + tileOffset<N_TILE>(resultRow, j + resultChunk),
                pack<Activation>(l[0] * factor, l[1] * factor), pack<Activation>(l[2] * factor, l[3] * factor),
                pack<Activation>(r[0] * factor, r[1] * factor), pack<Activation>(r[2] * factor, r[3] * factor));
        }
        groupArrive(PART_FULL + part, 256);
    }
    groupSync(PART_FREE + part, 256); // the last arrival has its match
}

// A block's work. finish(part) takes the parts of its tiles, each when PART_FULL says so, and says PART_FREE: once before the
// first, too. 96 registers a thread at the start, of which the 256 threads that multiply get more.
template <typename Left, int MULTIPLYING_REGISTERS, int FINISHING_REGISTERS, typename Finish>
__device__ __forceinline__ void multiplyAndFinish(
    const TensorMap &a, const TensorMap &b, int rows, float factor, u8 *shared, const Finish &finish) {
    static_assert(2 * MULTIPLYING_REGISTERS + 2 * FINISHING_REGISTERS + 32 <= 5 * 96, "registers of five warpgroups");
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
    if (warp < MULTIPLYING_WARPS) {
        takeRegisters<MULTIPLYING_REGISTERS>();
        multiplyTiles<Left>(rows, part, factor, base);
    } else if (warp < COPYING_WARP) {
        giveRegisters<FINISHING_REGISTERS>();
        groupArrive(PART_FREE + part, 256);
        finish(part);
    } else {
        giveRegisters<32>();
        if (warp == COPYING_WARP && (threadIdx.x & 31) == 0) copyOperands<Left>(a, b, rows, base);
    }
    __syncwarp();
    clusterSync(); // the other block writes here no more
}

__device__ __forceinline__ void stream(void *to, u32 a, u32 b, u32 c, u32 d) {
    asm volatile("st.global.cs.v4.b32 [%0], {%1,%2,%3,%4};" ::"l"(to), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}
__device__ __forceinline__ void stream(void *to, uint2 x) {
    asm volatile("st.global.cs.v2.b32 [%0], {%1,%2};" ::"l"(to), "r"(x.x), "r"(x.y) : "memory");
}
