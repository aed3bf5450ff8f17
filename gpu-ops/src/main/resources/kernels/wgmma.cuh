// wgmma.cuh: Hopper's asynchronous matrix instructions (sm_90a only). A warpgroup of 4 warps computes d (64 x N, f32) += a b,
// a (64 x 16) from shared memory or registers, b (16 x N) from shared memory. Warp w of the group holds rows 16w to 16w + 15
// of d, laid out like mma.sync's accumulators: d[j] of lane 4g + t = rows g, g + 8, columns 8j + 2t, 8j + 2t + 1.
// Operands in shared memory are tiles of rows of 64 or 128 bytes, swizzled as tileOffset does, the tile at a multiple of 1024
// bytes. An operand is "transposed" if its rows run along the summed dimension. Rows of 128 elements lie in two panels of 64
// columns (panelOffset), the second PANEL_BYTES after the first.
// Order: change registers, wgmmaFence, products, wgmmaCommit; wgmmaWait<n> leaves n groups in flight; settle the
// accumulators before they are read. Shared memory that threads wrote needs asyncProxyFence and a barrier first.
#pragma once
#include "fp8.cuh"

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
// The same in panels; the steps of a transposed operand are alongTransposed<128>.
template <int PANEL_BYTES> __device__ __forceinline__ u64 panelsAt(u32 address) {
    return operandAt<128>(address) - (1u << 16) + ((u64)(PANEL_BYTES / 16) << 16);
}
template <int PANEL_BYTES> __device__ __forceinline__ u64 alongPanels(u64 operand, int step) {
    return operand + step / 4 * (PANEL_BYTES / 16) + step % 4 * 2;
}
template <int PANEL_BYTES> __device__ __forceinline__ u32 panelOffset(int row, int chunk) {
    return chunk / 8 * PANEL_BYTES + tileOffset<64>(row, chunk % 8);
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
#define WGMMA_64                                                                                                 \
    WGMMA_32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55," \
             "%56,%57,%58,%59,%60,%61,%62,%63"
#define WGMMA_D(j) "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
#define WGMMA_D4(j) WGMMA_D(j), WGMMA_D(j + 1), WGMMA_D(j + 2), WGMMA_D(j + 3)
#define WGMMA_D8(j) WGMMA_D4(j), WGMMA_D4(j + 4)
#define WGMMA_D16 WGMMA_D8(0), WGMMA_D8(8)

// n columns; the numbers of the operands that follow the accumulators
#define WGMMA_SHARED(type, n, list, outputs, a_, b_, keep_, ta_, tb_)                                        \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %" keep_ ", 0;\n"                                           \
                 "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" list "}, %" a_ ", %" b_ \
                 ", p, 1, 1, %" ta_ ", %" tb_ "; }"                                                          \
                 : outputs                                                                                   \
                 : "l"(a), "l"(b), "r"(keep), "n"(TA), "n"(TB))
#define WGMMA_REGISTERS(type, n, list, outputs, a0_, a1_, a2_, a3_, b_, keep_, tb_)                            \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %" keep_ ", 0;\n"                                             \
                 "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" list "}, {%" a0_ ",%" a1_ \
                 ",%" a2_ ",%" a3_ "}, %" b_ ", p, 1, 1, %" tb_ "; }"                                          \
                 : outputs                                                                                     \
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b), "r"(keep), "n"(TB))

// 8-bit operands, both transposed: 128 columns
#define WGMMA_SHARED_8(left, right)                                                                                    \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %66, 0;\n"                                                            \
                 "wgmma.mma_async.sync.aligned.m64n128k32.f32." left "." right " {" WGMMA_64 "}, %64, %65, p, 1, 1; }" \
                 : WGMMA_D16                                                                                           \
                 : "l"(a), "l"(b), "r"(keep))

template <typename T> constexpr bool IS_BF16 = false;
template <> constexpr bool IS_BF16<bf16> = true;
template <typename T> constexpr bool IS_E5M2 = false;
template <> constexpr bool IS_E5M2<e5m2> = true;

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
        if constexpr (IS_BF16<T>) WGMMA_SHARED("bf16", "128", WGMMA_64, WGMMA_D16, "64", "65", "66", "67", "68");
        else WGMMA_SHARED("f16", "128", WGMMA_64, WGMMA_D16, "64", "65", "66", "67", "68");
    }
}

// The same of 8-bit operands, b of e4m3: 32 along the summed dimension, which both run along; sums keep about 14 bits.
template <typename A> __device__ __forceinline__ void multiplyShared8(float (&d)[16][4], u64 a, u64 b, int keep) {
    if constexpr (IS_E5M2<A>) WGMMA_SHARED_8("e5m2", "e4m3");
    else WGMMA_SHARED_8("e4m3", "e4m3");
}

// The same with a in registers: {rows g, columns 2t}, {g + 8, 2t}, {g, 2t + 8}, {g + 8, 2t + 8}, pairs packed.
template <typename T, int TB, int NT>
__device__ __forceinline__ void multiplyRegisters(float (&d)[NT][4], u32 a0, u32 a1, u32 a2, u32 a3, u64 b, int keep) {
    static_assert(NT == 4 || NT == 8 || NT == 16, "32, 64 or 128 columns");
    if constexpr (NT == 4) {
        if constexpr (IS_BF16<T>)
            WGMMA_REGISTERS("bf16", "32", WGMMA_16, WGMMA_D4(0), "16", "17", "18", "19", "20", "21", "22");
        else WGMMA_REGISTERS("f16", "32", WGMMA_16, WGMMA_D4(0), "16", "17", "18", "19", "20", "21", "22");
    } else if constexpr (NT == 8) {
        if constexpr (IS_BF16<T>)
            WGMMA_REGISTERS("bf16", "64", WGMMA_32, WGMMA_D8(0), "32", "33", "34", "35", "36", "37", "38");
        else WGMMA_REGISTERS("f16", "64", WGMMA_32, WGMMA_D8(0), "32", "33", "34", "35", "36", "37", "38");
    } else {
        if constexpr (IS_BF16<T>)
            WGMMA_REGISTERS("bf16", "128", WGMMA_64, WGMMA_D16, "64", "65", "66", "67", "68", "69", "70");
        else WGMMA_REGISTERS("f16", "128", WGMMA_64, WGMMA_D16, "64", "65", "66", "67", "68", "69", "70");
    }
}

// Four 8 x 8 matrices to shared memory: lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void storeMatrix(u32 address, u32 r0, u32 r1, u32 r2, u32 r3) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(r0), "r"(r1),
                 "r"(r2), "r"(r3)
                 : "memory");
}

// ---- barriers in shared memory between the warps that load tiles and the warps that multiply them ---------------------

__device__ __forceinline__ void barrierSetUp(u32 barrier, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// The threads that set up barriers, before all others are let at them.
__device__ __forceinline__ void barriersReady() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// One arrival a warp, after all of its lanes.
__device__ __forceinline__ void barrierArrive(u32 barrier) {
    __syncwarp();
    if ((threadIdx.x & 31) == 0) asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// One arrival a lane: for what lanes read and write themselves, since racecheck does not see that one arrives for all.
__device__ __forceinline__ void barrierArriveEach(u32 barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Until the phase of this parity has ended: 0 is the first; before it, 1 counts as ended.
__device__ __forceinline__ void barrierWait(u32 barrier, u32 parity) {
    asm volatile("{ .reg .pred done;\n"
                 "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra again; }" ::"r"(barrier),
                 "r"(parity)
                 : "memory");
}
// Barrier id (1 to 15) of `threads` threads, of which some only arrive.
__device__ __forceinline__ void groupSync(int id, int threads) {
    asm volatile("barrier.cta.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void groupArrive(int id, int threads) {
    asm volatile("barrier.cta.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
template <int Registers> __device__ __forceinline__ void giveRegisters() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
}
template <int Registers> __device__ __forceinline__ void takeRegisters() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
}
