// peer.cu: sums between the GPUs of one host, which read each other's memory.
//
// peer_barrier   returns when all ranks have reached it: counts this rank's own mailbox up by one, then reads the others'
//                until they have counted as far. What a rank has written before it, the others see after it.
//                mailboxes (ranks): where each rank's count lies, its own among them, and behind it whether the rank has
//                left; broken: a word of the host's memory, not 0 once the group has broken up, which ends the wait. A rank
//                that did not wait to the end has left: what it computes from then on is no sum, so it counts no further,
//                and nobody takes it for one
//                grid 1, block 32, ranks <= 32
// peer_combine   x = ((slot of rank 0 + slot of rank 1) + ...), or the largest with MAXIMUM 1; x (count) f32
//                slots (ranks): addresses of count f32 each, this rank's own among them
// peer_sum       own = ((x of rank 0 + x of rank 1) + ...) in f32, rounded to ELEMENT once; own (count): this rank's x,
//                overwritten; others + slot stride (count): the x of the other ranks in their order, slot = 0 .. ranks - 2
// peer_reduce    own = the same sum, of summands that are read where they lie: as fast as the links where the multiprocessors
//                have nothing else to do; tensors (ranks): where each rank's tensor begins, first + count elements long
// peer_copy      own = what lies there with one peer, likewise
// -D  ELEMENT: f32 | bf16 | fp16; MAXIMUM: 0 | 1
// peer_reduce, peer_copy  grid (ceil(count / (16384 / sizeof(ELEMENT))))  block 256; pointers and first aligned to 16 bytes
// peer_combine, peer_sum  grid (ceil(count / 1024))  block 256; peer_sum's pointers aligned to 4 elements
#include "common.cuh"

#ifndef ELEMENT
#define ELEMENT f32
#endif
#ifndef MAXIMUM
#define MAXIMUM 0
#endif

__device__ __forceinline__ u32 acquire(const u32 *from) {
    u32 value;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
    return value;
}

__device__ __forceinline__ void release(u32 *to, u32 value) {
    asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(to), "r"(value) : "memory");
}

// Never from this GPU's caches, which know nothing of what a peer writes.
__device__ __forceinline__ float remote(const float *from) {
    float value;
    asm volatile("ld.relaxed.sys.global.f32 %0, [%1];" : "=f"(value) : "l"(from) : "memory");
    return value;
}

extern "C" __global__ void __launch_bounds__(32)
    peer_barrier(u32 *const *mailboxes, const u32 *broken, int rank, int ranks) {
    const int peer = threadIdx.x;
    u32 *own = mailboxes[rank];
    u32 *left = own + 1;
    if (*left != 0) return;
    u32 turn = 0;
    if (peer == 0) {
        turn = acquire(own) + 1;
        __threadfence_system();
        release(own, turn);
    }
    turn = __shfl_sync(0xffffffffu, turn, 0);
    if (peer >= ranks || peer == rank) return;
    const u32 *theirs = mailboxes[peer];
    for (int i = 1; (int)(acquire(theirs) - turn) < 0; i++) {
        if (i % 64 == 0 && acquire(broken) != 0) { // a read over PCIe, so not each time
            *left = 1;
            return;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
    peer_combine(float *x, const float *const *slots, int ranks, i64 count) {
    const i64 first = (i64)blockIdx.x * 1024 + threadIdx.x;
    for (i64 i = first; i < min(count, first + 1024); i += 256) {
        float s = remote(slots[0] + i);
        for (int r = 1; r < ranks; r++) {
            const float next = remote(slots[r] + i);
            s = MAXIMUM ? fmaxf(s, next) : s + next;
        }
        x[i] = s;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    peer_sum(ELEMENT *own, const ELEMENT *others, i64 stride, int rank, int ranks, i64 count) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * 4;
    if (e >= count) return;
    const bool whole = count - e >= 4;
    float s[4], x[4];
    for (int r = 0; r < ranks; r++) {
        const ELEMENT *from = r == rank ? own + e : others + (r < rank ? r : r - 1) * stride + e;
        if (whole) {
            load<ELEMENT, 4>(x, from);
        } else {
            for (int j = 0; j < 4; j++) x[j] = toFloat(from[min((i64)j, count - e - 1)]);
        }
#pragma unroll
        for (int j = 0; j < 4; j++) s[j] = r == 0 ? x[j] : s[j] + x[j];
    }
    if (whole) {
        store<ELEMENT, 4>(own + e, s);
    } else {
        for (int j = 0; j < (int)(count - e); j++) own[e + j] = fromFloat<ELEMENT>(s[j]);
    }
}

// 16 bytes a thread at a time, four of them in flight.
#define VECTOR (16 / (int)sizeof(ELEMENT))
#define IN_FLIGHT 4

extern "C" __global__ void __launch_bounds__(256)
    peer_reduce(const ELEMENT *const *tensors, i64 first, int rank, int ranks, i64 count) {
    const i64 begin = (i64)blockIdx.x * 256 * IN_FLIGHT * VECTOR + threadIdx.x * VECTOR;
    float s[IN_FLIGHT][VECTOR];
    for (int r = 0; r < ranks; r++) {
        const ELEMENT *from = tensors[r] + first;
        float x[IN_FLIGHT][VECTOR];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            const i64 e = begin + k * 256 * VECTOR;
            if (e + VECTOR <= count) load<ELEMENT, VECTOR>(x[k], from + e);
        }
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++)
#pragma unroll
            for (int j = 0; j < VECTOR; j++) s[k][j] = r == 0 ? x[k][j] : s[k][j] + x[k][j];
    }
    ELEMENT *own = const_cast<ELEMENT *>(tensors[rank]) + first;
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
        const i64 e = begin + k * 256 * VECTOR;
        if (e + VECTOR <= count) store<ELEMENT, VECTOR>(own + e, s[k]);
    }
    const i64 tail = count / VECTOR * VECTOR + threadIdx.x;
    if (blockIdx.x == 0 && tail < count) {
        float sum = toFloat(tensors[0][first + tail]);
        for (int r = 1; r < ranks; r++) sum += toFloat(tensors[r][first + tail]);
        own[tail] = fromFloat<ELEMENT>(sum);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    peer_copy(ELEMENT *const *tensors, i64 first, int rank, int peer, i64 count) {
    ELEMENT *x = tensors[rank];
    const ELEMENT *theirs = tensors[peer];
    const i64 begin = (i64)blockIdx.x * 256 * IN_FLIGHT * VECTOR + threadIdx.x * VECTOR;
    uint4 words[IN_FLIGHT];
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
        const i64 e = begin + k * 256 * VECTOR;
        if (e + VECTOR <= count) words[k] = *reinterpret_cast<const uint4 *>(theirs + first + e);
    }
#pragma unroll
    for (int k = 0; k < IN_FLIGHT; k++) {
        const i64 e = begin + k * 256 * VECTOR;
        if (e + VECTOR <= count) *reinterpret_cast<uint4 *>(x + first + e) = words[k];
    }
    const i64 tail = count / VECTOR * VECTOR + threadIdx.x;
    if (blockIdx.x == 0 && tail < count) x[first + tail] = theirs[first + tail];
}
