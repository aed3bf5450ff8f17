// flash_backward_turns.cuh: how thread blocks add tiles of dq to the one sum of a head in device memory, each tile in its turn, so
// that the order of the sums is fixed (sm_90a only).
#pragma once
#include "flash_backward.cuh"

__device__ __forceinline__ int loadAcquire(const int *from) {
    int x;
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(x) : "l"(from) : "memory");
    return x;
}
__device__ __forceinline__ void addRelease(int *to) {
    asm volatile("red.release.gpu.global.add.s32 [%0], 1;" ::"l"(to) : "memory");
}

// Until as many tiles have been added as come before this one.
__device__ __forceinline__ void awaitTurn(const int *turn, int before) {
    while (loadAcquire(turn) < before) {
    }
}

// By one thread: adds a tile of BYTES in shared memory to the sum, or stores it if none comes before it. Returns when the tile
// has been read.
template <int BYTES> __device__ __forceinline__ void beginToAdd(float *sum, u32 tile, const int *turn, int before) {
    if (before == 0) {
        asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(sum), "r"(tile), "n"(BYTES)
                     : "memory");
    } else {
        awaitTurn(turn, before);
        asm volatile("fence.proxy.async.global;" ::: "memory");
        asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(sum), "r"(tile),
                     "n"(BYTES)
                     : "memory");
    }
    asm volatile("cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;" ::: "memory");
}
// The same thread: returns when the tile has been added, and lets the next one have its turn.
__device__ __forceinline__ void endToAdd(int *turn) {
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
    addRelease(turn);
}
