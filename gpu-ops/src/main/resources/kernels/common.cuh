// common.cuh: what every kernel file shares. No toolkit header is included, so that NVRTC needs none.
//
// Types      bf16 | fp16 (16-bit storage structs) | f32; ACTIVATION names the activation type.
// StepState  the one struct in device memory, of which the host uploads the inputs before each replay of the step.
// Dropout    Philox4x32-10, key = seed, counter = (block lo, block hi, site, stream). A call gives 8
//            decisions of 16 bits: word w holds decision 2w in its low half, 2w + 1 in its high half.
//            keep iff u16 >= threshold, threshold = round(p * 65536); kept values are multiplied by
//            65536 / (65536 - threshold). The CPU draws the same bits.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once
#include "layout.cuh"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
typedef float f32;

struct bf16 {
    u16 bits;
};
struct fp16 {
    u16 bits;
};

#ifndef ACTIVATION
#define ACTIVATION bf16
#endif
typedef ACTIVATION Activation;

#define STEP_STATE(FIELD)                                                                     \
    FIELD(u64, seed)                                                                          \
    FIELD(u64, stream) /* micro-batch number; its low 32 bits enter the dropout counter */    \
    FIELD(u64, step)   /* counted from 0; its low 32 bits enter the rounding of moments */    \
    FIELD(float, lr)                                                                          \
    FIELD(float, beta1Correction) /* 1 - beta1^step */                                        \
    FIELD(float, beta2Correction) /* 1 - beta2^step */                                        \
    FIELD(float, lossScale)       /* factor of dlogits, e.g. 1 / targets of the whole step */ \
    FIELD(float, gradNorm)        /* written by global_norm_finish */                         \
    FIELD(float, clipScale)       /* written by global_norm_finish, read by adamw */
HOST_STRUCT(StepState, STEP_STATE)

#define INFINITY_F __int_as_float(0x7f800000)
#define NAN_F __int_as_float(0x7fffffff)
#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f

// ---- conversions -----------------------------------------------------------------------------

__device__ __forceinline__ float toFloat(f32 x) { return x; }
__device__ __forceinline__ float toFloat(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
__device__ __forceinline__ float toFloat(fp16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}

template <typename T> __device__ __forceinline__ T fromFloat(float x);
template <> __device__ __forceinline__ f32 fromFloat<f32>(float x) { return x; }
template <> __device__ __forceinline__ bf16 fromFloat<bf16>(float x) {
    bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
template <> __device__ __forceinline__ fp16 fromFloat<fp16>(float x) {
    fp16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}

// Two values in one register: low half first.
template <typename T> __device__ __forceinline__ u32 pack(float low, float high);
template <> __device__ __forceinline__ u32 pack<bf16>(float low, float high) {
    u32 y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
template <> __device__ __forceinline__ u32 pack<fp16>(float low, float high) {
    u32 y;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}

template <typename T> __device__ __forceinline__ float2 unpack(u32 x);
template <> __device__ __forceinline__ float2 unpack<bf16>(u32 x) {
    return make_float2(__uint_as_float(x << 16), __uint_as_float(x & 0xffff0000u));
}
template <> __device__ __forceinline__ float2 unpack<fp16>(u32 x) {
    float2 y;
    asm("{ .reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h; }"
        : "=f"(y.x), "=f"(y.y)
        : "r"(x));
    return y;
}

// ---- vectors: N consecutive elements, one wide access where N * sizeof(T) is 4, 8 or 16 -----------

template <int Bytes> struct Word;
template <> struct Word<2> { typedef u16 type; };
template <> struct Word<4> { typedef u32 type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

template <typename T, int N> __device__ __forceinline__ void load(float (&out)[N], const T *from) {
    constexpr int PER = N * sizeof(T) > 16 ? 16 / sizeof(T) : N;
    typedef typename Word<PER * sizeof(T)>::type W;
#pragma unroll
    for (int i = 0; i < N; i += PER) {
        union {
            W word;
            T values[PER];
        } u;
        u.word = *reinterpret_cast<const W *>(from + i);
#pragma unroll
        for (int j = 0; j < PER; j++) out[i + j] = toFloat(u.values[j]);
    }
}

template <typename T, int N> __device__ __forceinline__ void store(T *to, const float (&in)[N]) {
    constexpr int PER = N * sizeof(T) > 16 ? 16 / sizeof(T) : N;
    typedef typename Word<PER * sizeof(T)>::type W;
#pragma unroll
    for (int i = 0; i < N; i += PER) {
        union {
            W word;
            T values[PER];
        } u;
        if constexpr (sizeof(T) == 2 && PER % 2 == 0) {
            __align__(16) u32 pairs[PER / 2]; // one conversion instruction a pair
#pragma unroll
            for (int j = 0; j < PER; j += 2) pairs[j / 2] = pack<T>(in[i + j], in[i + j + 1]);
            *reinterpret_cast<W *>(to + i) = *reinterpret_cast<const W *>(pairs);
        } else {
#pragma unroll
            for (int j = 0; j < PER; j++) u.values[j] = fromFloat<T>(in[i + j]);
            *reinterpret_cast<W *>(to + i) = u.word;
        }
    }
}

// The widest vector (at most 8) that divides n.
__host__ __device__ constexpr int vectorOf(int n) { return n % 8 == 0 ? 8 : n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : 1; }

// ---- reductions, fixed order ---------------------------------------------------------------------

__device__ __forceinline__ float warpSum(float x) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
    return x;
}
__device__ __forceinline__ float warpMax(float x) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, d));
    return x;
}

// Sum over WARPS warps; every thread gets it. scratch holds WARPS floats; safe to call in a row.
template <int WARPS> __device__ __forceinline__ float blockSum(float x, float *scratch) {
    x = warpSum(x);
    if (WARPS == 1) return x;
    __syncthreads();
    if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = x;
    __syncthreads();
    float sum = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) sum += scratch[w];
    return sum;
}
template <int WARPS> __device__ __forceinline__ float blockMax(float x, float *scratch) {
    x = warpMax(x);
    if (WARPS == 1) return x;
    __syncthreads();
    if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = x;
    __syncthreads();
    float best = scratch[0];
#pragma unroll
    for (int w = 1; w < WARPS; w++) best = fmaxf(best, scratch[w]);
    return best;
}

// ---- fast maths ------------------------------------------------------------------------------

__device__ __forceinline__ float exp2Fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// ---- dropout ---------------------------------------------------------------------------------

// In assembly: of a 64-bit product the compiler makes three instructions where one will do.
__device__ __forceinline__ void multiplyWide(u32 &low, u32 &high, u32 a, u32 b) {
    asm("{ .reg .b64 p; mul.wide.u32 p, %2, %3; mov.b64 {%0, %1}, p; }" : "=r"(low), "=r"(high) : "r"(a), "r"(b));
}

__device__ __forceinline__ uint4 philox(u64 seed, u64 block, u32 site, u32 stream) {
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
    u32 c0 = (u32)block, c1 = (u32)(block >> 32), c2 = site, c3 = stream;
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u32 low0, high0, low1, high1;
        multiplyWide(low0, high0, 0xD2511F53u, c0);
        multiplyWide(low1, high1, 0xCD9E8D57u, c2);
        c0 = high1 ^ c1 ^ k0;
        c2 = high0 ^ c3 ^ k1;
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return make_uint4(c0, c1, c2, c3);
}

__device__ __forceinline__ u32 decision(const uint4 &draw, int index) {
    const int w = index >> 1;
    const u32 word = w == 0 ? draw.x : w == 1 ? draw.y : w == 2 ? draw.z : draw.w;
    return (index & 1) ? word >> 16 : word & 0xffffu;
}

struct Dropout {
    u64 seed;
    u32 stream, site, threshold;
    float keepScale;
};

__device__ __forceinline__ Dropout dropoutOf(const StepState *state, u32 threshold, u32 site) {
    Dropout d;
    d.threshold = threshold;
    d.site = site;
    d.keepScale = 65536.0f / (float)(65536u - threshold);
    d.seed = threshold ? state->seed : 0;
    d.stream = threshold ? (u32)state->stream : 0;
    return d;
}

// Elementwise dropout of N (1, 2, 4 or 8) consecutive values, the first of which is element e (e % N == 0).
template <int N> __device__ __forceinline__ void dropout(float (&x)[N], u64 e, const Dropout &d) {
    if (d.threshold == 0) return;
    const uint4 draw = philox(d.seed, e >> 3, d.site, d.stream);
    const int first = (int)(e & 7);
#pragma unroll
    for (int i = 0; i < N; i++) x[i] = decision(draw, first + i) >= d.threshold ? x[i] * d.keepScale : 0.0f;
}

// ---- rounding at random ------------------------------------------------------------------------

// A float with the bits of a bf16: up with the probability of what is cut off. random: 16 bits. x is finite.
__device__ __forceinline__ float roundAtRandom(float x, u32 random) {
    return __uint_as_float((__float_as_uint(x) + random) & 0xffff0000u);
}

// ---- asynchronous copies and matrix instructions (sm_80 and later) -----------------------------

__device__ __forceinline__ u32 sharedAddress(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// 16 bytes from global to shared memory; zeros where valid is false.
__device__ __forceinline__ void copyAsync16(u32 to, const void *from, bool valid) {
    const int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
__device__ __forceinline__ void copyAsyncCommit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Pending> __device__ __forceinline__ void copyAsyncWait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

__device__ __forceinline__ void loadMatrix(u32 (&r)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}
__device__ __forceinline__ void loadMatrixTransposed(u32 (&r)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// c (16 x 8, f32) += a (16 x 16) b (16 x 8). Lane = 4 g + t holds c[g][2t, 2t+1], c[g + 8][2t, 2t+1].
template <typename T> __device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1);
template <> __device__ __forceinline__ void multiply<bf16>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <> __device__ __forceinline__ void multiply<fp16>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Byte offset of a 16-byte chunk in a shared tile of 16-bit values with COLUMNS (32, 64, 128, 256)
// columns. The exclusive-or spreads the eight rows that ldmatrix reads over all 32 banks.
template <int COLUMNS> __device__ __forceinline__ u32 tileOffset(int row, int chunk) {
    if (COLUMNS == 32) return (u32)(row * 64 + ((chunk ^ ((row >> 1) & 3)) << 4));
    return (u32)(row * COLUMNS * 2 + ((chunk ^ (row & 7)) << 4));
}
