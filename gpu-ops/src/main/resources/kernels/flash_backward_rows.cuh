// flash_backward_rows.cuh: the row statistics that every backward kernel needs first.
#pragma once
#include "flash_attention.cuh"

// stats[row] = {lse log2(e), (1 - p) rowsum(dO o)} of 128 rows; {inf, 0} past the last row. By 256 threads.
__device__ __forceinline__ void rowSums(const FlashAttention &p, const Sequence &seq, int row0) {
    const int b = blockIdx.z, h = blockIdx.y;
    const Activation *o = headOf(p.o, p.oAt, p, b, h, seq.queryStart);
    const Activation *dO = headOf(p.dO, p.dOAt, p, b, h, seq.queryStart);
    const float *lse = p.lse + lseOf(p, b, h, seq);
    float2 *stats = p.stats + (i64)h * p.statsRows + statsStart(p, b, seq);
    const float keep = DROPOUT ? (float)(65536u - p.threshold) * (1.0f / 65536.0f) : 1.0f;
    const int chunk = threadIdx.x % CHUNKS;
#pragma unroll
    for (int i = threadIdx.x / CHUNKS; i < 128; i += 256 / CHUNKS) {
        const int row = row0 + i;
        float sum = 0.0f;
        if (row < seq.queries && (D == TILE_DEPTH || chunk < D / 8)) {
            float x[8], y[8];
            load<Activation, 8>(x, o + (i64)row * p.oAt.row + chunk * 8);
            load<Activation, 8>(y, dO + (i64)row * p.dOAt.row + chunk * 8);
#pragma unroll
            for (int j = 0; j < 8; j++) sum = fmaf(x[j], y[j], sum);
        }
#pragma unroll
        for (int d = CHUNKS / 2; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        if (chunk == 0)
            stats[row] = row < seq.queries ? make_float2(lse[row] * LOG2_E, sum * keep) : make_float2(INFINITY_F, 0.0f);
    }
}
