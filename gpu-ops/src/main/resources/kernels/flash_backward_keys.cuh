// flash_backward_keys.cuh: transposed scores, (keys, rows), of the backward kernels on wgmma: a warp has 16 keys, NT tiles of 8
// rows; lane 4g + t keys g and 8 + g, rows 2t and 2t + 1 of each tile.
#pragma once
#include "flash_attention.cuh"

// s becomes p; stats {lse, delta} of rows 2t and 2t + 1 of each 8.
template <int NT> __device__ __forceinline__ void keyProbabilities(float (&s)[NT][4], const float4 *stats, float c) {
#pragma unroll
    for (int nt = 0; nt < NT; nt++) {
        const float4 st = stats[nt * 4 + (threadIdx.x & 3)];
#pragma unroll
        for (int e = 0; e < 4; e++) s[nt][e] = exp2Fast(fmaf(s[nt][e], c, (e & 1) ? -st.z : -st.x));
    }
}

// What the causal mask or the end of the keys hides of a warp's 16 keys becomes 0.
template <int NT>
__device__ __forceinline__ void maskKeys(float (&p)[NT][4], const Sequence &seq, int warpKey, int row0) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int key = warpKey + half * 8 + g;
        const int begin = key >= seq.keys ? 0x7fffffff : CAUSAL ? key - seq.offset : 0; // the first row that sees it
#pragma unroll
        for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int e = 0; e < 2; e++)
                if (row0 + nt * 8 + t * 2 + e < begin) p[nt][half * 2 + e] = 0.0f;
    }
}
