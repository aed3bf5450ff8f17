// tma.cuh: Hopper's copy engine (sm_90a only). One thread asks for a box of a tensor; its bytes arrive in shared memory and
// are counted by a barrier there, whose phase ends when its arrivals and all bytes that it expects are in. In a cluster one
// read of a box may be written to several blocks, at the same place of each, and counted by the barrier at the same place.
#pragma once
#include "wgmma.cuh"

// The driver's CUtensorMap (cuTensorMapEncodeTiled); a kernel takes it as const __grid_constant__.
struct __align__(64) TensorMap {
    u64 words[16];
};

__device__ __forceinline__ void clusterSync() {
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// One arrival that also expects bytes.
__device__ __forceinline__ void barrierExpect(u32 barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
// One arrival at the barrier at this place in a block of the cluster. Of this block's scope, as barrierWait: the wider one
// waits for all earlier stores, and what it would order, reads by products that are done, needs none.
__device__ __forceinline__ void barrierArriveAt(u32 barrier, int block) {
    asm volatile("{ .reg .b32 there; mapa.shared::cluster.u32 there, %0, %1;\n"
                 "mbarrier.arrive.shared::cluster.b64 _, [there]; }" ::"r"(barrier),
                 "r"(block)
                 : "memory");
}

// The box whose first element is at (x, y), x along rows, to shared memory of this block.
__device__ __forceinline__ void copyBox(u32 to, const TensorMap &map, int x, int y, u32 barrier) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, "
                 "%3}], [%4];" ::"r"(to),
                 "l"(&map), "r"(x), "r"(y), "r"(barrier)
                 : "memory");
}
// The same to the blocks of the cluster whose bits are set in blocks.
__device__ __forceinline__ void copyBox(u32 to, const TensorMap &map, int x, int y, u32 barrier, u16 blocks) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
        "[%1, {%2, %3}], [%4], %5;" ::"r"(to),
        "l"(&map), "r"(x), "r"(y), "r"(barrier), "h"(blocks)
        : "memory");
}
