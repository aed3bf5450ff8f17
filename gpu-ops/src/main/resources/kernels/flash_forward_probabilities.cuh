// flash_forward_probabilities.cuh: scores to probabilities in the forward kernels on wgmma, where a warp has 16 rows. The maxima
// follow the scores only when they must: most tiles need no exchange between lanes, and leave o as it is.
#pragma once
#include "flash_forward.cuh"

constexpr float MOST_GROWTH = 8.0f; // of a probability, as a power of two, before its row's maximum follows

// s becomes the probabilities. The maxima that they are taken against follow a greater score only if some probability of the
// warp would pass 2^MOST_GROWTH: most tiles need no exchange between lanes and leave o alone. Returns whether they have moved:
// then o is to shrink by `shrink`, as the sums have.
template <bool MASKED>
__device__ __forceinline__ bool probabilities(float (&s)[FORWARD_NT][4], Rows &rows, float (&shrink)[2], int firstRow,
    int column0, const Sequence &seq, float c) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
    float best[2][2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = firstRow + half * 8 + g;
        const int end = CAUSAL ? min(seq.keys, row + seq.offset + 1) : seq.keys;
#pragma unroll
        for (int nt = 0; nt < FORWARD_NT; nt++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                float &x = s[nt][half * 2 + e];
                if (MASKED && column0 + nt * 8 + t * 2 + e >= end) x = -INFINITY_F;
                best[half][e] = nt == 0 ? x : fmaxf(best[half][e], x);
            }
        best[half][0] = fmaxf(best[half][0], best[half][1]);
    }
    float *max = rows.max[0], *sum = rows.sum[0];
    const bool moved =
        __any_sync(0xffffffffu, (best[0][0] - max[0]) * c > MOST_GROWTH || (best[1][0] - max[1]) * c > MOST_GROWTH);
    if (moved) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float x = fmaxf(best[half][0], max[half]);
            x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
            x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
            shrink[half] = x == -INFINITY_F ? 1.0f : exp2Fast((max[half] - x) * c);
            max[half] = x;
            sum[half] *= shrink[half];
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const float shift = MASKED && max[half] == -INFINITY_F ? 0.0f : max[half] * c;
        float part[2] = {0.0f, 0.0f};
#pragma unroll
        for (int nt = 0; nt < FORWARD_NT; nt++)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                float &x = s[nt][half * 2 + e];
                x = exp2Fast(fmaf(x, c, -shift));
                part[e] += x;
            }
        sum[half] += part[0] + part[1];
    }
    return moved;
}

__device__ __forceinline__ void shrinkOutput(Rows &rows, const float (&shrink)[2]) {
#pragma unroll
    for (int dt = 0; dt < D / 8; dt++)
#pragma unroll
        for (int e = 0; e < 4; e++) rows.o[0][dt][e] *= shrink[e >> 1];
}
