// wgmma.cuh: Hopper's asynchronous matrix instructions (sm_90a only). A warpgroup of 4 warps computes d (64 x N, f32) += a b,
// a (64 x 16) from shared memory or registers, b (16 x N) from shared memory. Warp w of the group holds rows 16w to 16w + 15
// of d, laid out like mma.sync's accumulators: d[j] of lane 4g + t = rows g, g + 8, columns 8j + 2t, 8j + 2t + 1.
// Operands in shared memory are tiles of rows of 64 or 128 bytes, swizzled as tileOffset does, the tile at a multiple of 1024
// bytes. An operand is "transposed" if its rows run along the summed dimension.
// Order: change registers, wgmmaFence, products, wgmmaCommit; wgmmaWait<n> leaves n groups in flight; settle the
// accumulators before they are read. Shared memory that threads wrote needs asyncProxyFence and a barrier first.
#pragma once
#include "common.cuh"

template <int ROW_BYTES> __device__ __forceinline__ u64 operandAt(u32 address) {
    static_assert(ROW_BYTES == 64 || ROW_BYTES == 128, "swizzled rows");
    constexpr u64 SWIZZLE = ROW_BYTES == 128 ? 1 : 2, GROUP_OF_8_ROWS = 8 * ROW_BYTES / 16;
    return SWIZZLE << 62 | GROUP_OF_8_ROWS << 32 | 1u << 16 | (u64)((address & 0x3ffff) / 16);
}
// The operand 16 further along the summed dimension.
__device__ __forceinline__ u64 along(u64 operand, int step) { return operand + step * 2; }
template <int ROW_BYTES> __device__ __forceinline__ u64 alongTransposed(u64 operand, int step) {
    return operand + step * ROW_BYTES;
}

__device__ __forceinline__ void wgmmaFence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmmaCommit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int Pending> __device__ __forceinline__ void wgmmaWait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}
__device__ __forceinline__ void asyncProxyFence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Keeps the compiler from reading accumulators before the wait that precedes this.
template <int NT> __device__ __forceinline__ void settle(float (&d)[NT][4]) {
#pragma unroll
    for (int j = 0; j < NT; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) asm volatile("" : "+f"(d[j][e])::"memory");
}

#define WGMMA_16 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define WGMMA_32 WGMMA_16 ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define WGMMA_64                                                                                                       \
    WGMMA_32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,"       \
             "%56,%57,%58,%59,%60,%61,%62,%63"
#define WGMMA_D(j) "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
#define WGMMA_D4(j) WGMMA_D(j), WGMMA_D(j + 1), WGMMA_D(j + 2), WGMMA_D(j + 3)
#define WGMMA_D8(j) WGMMA_D4(j), WGMMA_D4(j + 4)
#define WGMMA_D16 WGMMA_D8(0), WGMMA_D8(8)

// n columns; the numbers of the operands that follow the accumulators
#define WGMMA_SHARED(type, n, list, outputs, a_, b_, keep_, ta_, tb_)                                                  \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %" keep_ ", 0;\n"                                                     \
                 "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" list "}, %" a_ ", %" b_           \
                 ", p, 1, 1, %" ta_ ", %" tb_ "; }"                                                                    \
                 : outputs                                                                                             \
                 : "l"(a), "l"(b), "r"(keep), "n"(TA), "n"(TB))
#define WGMMA_REGISTERS(type, n, list, outputs, a0_, a1_, a2_, a3_, b_, keep_, tb_)                                    \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %" keep_ ", 0;\n"                                                     \
                 "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" list "}, {%" a0_ ",%" a1_ ",%" a2_  \
                 ",%" a3_ "}, %" b_ ", p, 1, 1, %" tb_ "; }"                                                           \
                 : outputs                                                                                             \
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b), "r"(keep), "n"(TB))

template <typename T> constexpr bool IS_BF16 = false;
template <> constexpr bool IS_BF16<bf16> = true;

// d (64 x 8 NT) = (keep ? d : 0) + a b; TA, TB: transposed?
template <typename T, int TA, int TB, int NT>
__device__ __forceinline__ void multiplyShared(float (&d)[NT][4], u64 a, u64 b, int keep) {
    static_assert(NT == 4 || NT == 8 || NT == 16, "32, 64 or 128 columns");
    if constexpr (NT == 4) {
        if constexpr (IS_BF16<T>) WGMMA_SHARED("bf16", "32", WGMMA_16, WGMMA_D4(0), "16", "17", "18", "19", "20");
        else WGMMA_SHARED("f16", "32", WGMMA_16, WGMMA_D4(0), "16", "17", "18", "19", "20");
    } else if constexpr (NT == 8) {
        if constexpr (IS_BF16<T>) WGMMA_SHARED("bf16", "64", WGMMA_32, WGMMA_D8(0), "32", "33", "34", "35", "36");
        else WGMMA_SHARED("f16", "64", WGMMA_32, WGMMA_D8(0), "32", "33", "34", "35", "36");
    } else {
        if constexpr (IS_BF16<T>)
            WGMMA_SHARED("bf16", "128", WGMMA_64, WGMMA_D16, "64", "65", "66", "67", "68");
        else WGMMA_SHARED("f16", "128", WGMMA_64, WGMMA_D16, "64", "65", "66", "67", "68");
    }
}

// The same with a in registers: {rows g, columns 2t}, {g + 8, 2t}, {g, 2t + 8}, {g + 8, 2t + 8}, pairs packed.
template <typename T, int TB, int NT>
__device__ __forceinline__ void multiplyRegisters(float (&d)[NT][4], u32 a0, u32 a1, u32 a2, u32 a3, u64 b, int keep) {
    static_assert(NT == 4 || NT == 8, "32 or 64 columns");
    if constexpr (NT == 4) {
        if constexpr (IS_BF16<T>) WGMMA_REGISTERS("bf16", "32", WGMMA_16, WGMMA_D4(0), "16", "17", "18", "19", "20", "21", "22");
        else WGMMA_REGISTERS("f16", "32", WGMMA_16, WGMMA_D4(0), "16", "17", "18", "19", "20", "21", "22");
    } else {
        if constexpr (IS_BF16<T>) WGMMA_REGISTERS("bf16", "64", WGMMA_32, WGMMA_D8(0), "32", "33", "34", "35", "36", "37", "38");
        else WGMMA_REGISTERS("f16", "64", WGMMA_32, WGMMA_D8(0), "32", "33", "34", "35", "36", "37", "38");
    }
}

// Four 8 x 8 matrices to shared memory: lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void storeMatrix(u32 address, u32 r0, u32 r1, u32 r2, u32 r3) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(r0), "r"(r1), "r"(r2), "r"(r3)
                 : "memory");
}
