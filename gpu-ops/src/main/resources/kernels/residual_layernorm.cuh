// residual_layernorm.cuh: how residual_layernorm_forward.cu and residual_layernorm_backward.cu deal rows to threads. A group of
// ROW_THREADS threads has R rows of CHANNELS values at once, in vectors of V; a thread has N of the vectors.
// Ba et al., arXiv:1607.06450. Statistics are taken of the rounded residualOut, which is what backward reads.
// -D  ACTIVATION bf16 | fp16 | f32, CHANNELS
#pragma once
#include "common.cuh"

#ifndef CHANNELS
#define CHANNELS 768
#endif

constexpr int C = CHANNELS;
constexpr int V = vectorOf(C), VECTORS = C / V;     // vectors a row
constexpr int WHOLE_ROW = (VECTORS + 31) / 32 * 32; // a thread for each vector
constexpr int ROW_THREADS = C <= 1024 ? 32 : WHOLE_ROW < 256 ? WHOLE_ROW : 256;
constexpr int THREADS = C <= 1024 ? 128 : ROW_THREADS;
constexpr int GROUPS = THREADS / ROW_THREADS, WARPS = ROW_THREADS / 32;

// Rows that a group of threads works on at once: as many as it takes to give each thread the same number of vectors.
__host__ __device__ constexpr int rowsAtOnce() {
    for (int rows = 1; rows <= 4; rows *= 2)
        if (rows * VECTORS % ROW_THREADS == 0 && rows * VECTORS <= 4 * ROW_THREADS) return rows;
    return 1;
}
constexpr int R = rowsAtOnce(), ROWS = GROUPS * R;
constexpr int N = (R * VECTORS + ROW_THREADS - 1) / ROW_THREADS; // vectors a thread, the i-th at i * ROW_THREADS + lane
extern "C" __device__ const int residual_layernorm_threads = THREADS;

// Vectors of the group's rows, the first of which is row.
__device__ __forceinline__ int vectorsFrom(i64 row, int rows) { return (int)min((i64)R, rows - row) * VECTORS; }
// Does thread vector i, the group's vector at, lie in row r of its rows?
__device__ __forceinline__ bool liesIn(int i, int at, int r) {
    const int first = i * ROW_THREADS / VECTORS, last = ((i + 1) * ROW_THREADS - 1) / VECTORS;
    if (R == 1 || first == last) return R == 1 || first == r;
    return at >= r * VECTORS && at < (r + 1) * VECTORS;
}
__device__ __forceinline__ float rowValue(const float (&values)[R], int i, int at) {
    float value = values[0];
#pragma unroll
    for (int r = 1; r < R; r++)
        if (liesIn(i, at, r)) value = values[r];
    return value;
}

// N vectors as they lie in memory, which at half precision takes half the registers.
struct Vectors {
    __align__(16) Activation values[N][V];
};
__device__ __forceinline__ void fetch(Vectors &to, int i, const Activation *from) {
    constexpr int BYTES = V * (int)sizeof(Activation), STEP = BYTES > 16 ? 16 : BYTES;
    typedef typename Word<STEP>::type W;
#pragma unroll
    for (int b = 0; b < BYTES / STEP; b++)
        reinterpret_cast<W *>(to.values[i])[b] = reinterpret_cast<const W *>(from)[b];
}

// Which of a thread's values dropout keeps: bit i V + j for value j of vector i. Drawn while the vectors are on their way.
struct Kept {
    u32 words[(N * V + 31) / 32];
    __device__ __forceinline__ bool at(int i, int j) const { return words[(i * V + j) / 32] >> ((i * V + j) % 32) & 1; }
};
__device__ __forceinline__ void draw(Kept &kept, const Dropout &drop, u64 first) {
#pragma unroll
    for (int w = 0; w < (N * V + 31) / 32; w++) kept.words[w] = drop.threshold == 0 ? ~0u : 0;
    if (drop.threshold == 0) return;
#pragma unroll(N *V <= 32 ? 1 : N)
    for (int i = 0; i < N; i++) {
        const u64 e = first + (u64)i * ROW_THREADS * V;
        const uint4 draw = philox(drop.seed, e >> 3, drop.site, drop.stream);
#pragma unroll
        for (int j = 0; j < V; j++)
            if (decision(draw, (int)(e & 7) + j) >= drop.threshold)
                kept.words[(i * V + j) / 32] |= 1u << ((i * V + j) % 32);
    }
}
