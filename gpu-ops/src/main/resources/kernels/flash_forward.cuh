// flash_forward.cuh: the softmax state and the last step of the forward kernels. Each warp has FORWARD_MT * 16 rows of the
// FORWARD_M rows of its block, a lane 4g + t rows g and g + 8 of each 16 and columns 2t, 2t + 1 of each 8. The including
// file defines FORWARD_M, FORWARD_N, FORWARD_WARPS and FORWARD_SHARED (bytes), and FORWARD_THREADS if it has more warps.
#pragma once
#include "flash_attention.cuh"

#ifndef FORWARD_THREADS
#define FORWARD_THREADS (FORWARD_WARPS * 32)
#endif

extern "C" __device__ const int flash_attention_forward_shared = FORWARD_SHARED;
extern "C" __device__ const int flash_attention_forward_rows = FORWARD_M;
extern "C" __device__ const int flash_attention_forward_threads = FORWARD_THREADS;

// Softmax state of the 16 MT rows of a warp; lane 4g + t holds rows g and g + 8 of each of the MT tiles.
constexpr int FORWARD_MT = FORWARD_M / FORWARD_WARPS / 16;
constexpr int FORWARD_NT = FORWARD_N / 8;
struct Rows {
    float o[FORWARD_MT][D / 8][4];
    float max[FORWARD_MT][2], sum[FORWARD_MT][2];
};

__device__ __forceinline__ void clear(Rows &rows) {
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++) {
        rows.max[mt][0] = rows.max[mt][1] = -INFINITY_F;
        rows.sum[mt][0] = rows.sum[mt][1] = 0.0f;
#pragma unroll
        for (int nt = 0; nt < D / 8; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) rows.o[mt][nt][e] = 0.0f;
    }
}

template <bool MASKED>
__device__ __forceinline__ void softmaxStep(
    float (&s)[FORWARD_MT][FORWARD_NT][4], Rows &rows, int firstRow, int column0, const Sequence &seq, float c) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = firstRow + mt * 16 + half * 8 + g;
            const int end = CAUSAL ? min(seq.keys, row + seq.offset + 1) : seq.keys;
            float best = rows.max[mt][half];
#pragma unroll
            for (int nt = 0; nt < FORWARD_NT; nt++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[mt][nt][half * 2 + e];
                    if (MASKED && column0 + nt * 8 + t * 2 + e >= end) x = -INFINITY_F;
                    best = fmaxf(best, x);
                }
            }
            best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 1));
            best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 2));
            const float shift = (MASKED && best == -INFINITY_F) ? 0.0f : best * c;
            const float shrink = exp2Fast(fmaf(rows.max[mt][half], c, -shift));
            rows.max[mt][half] = best;
            float sum = rows.sum[mt][half] * shrink;
#pragma unroll
            for (int nt = 0; nt < D / 8; nt++) {
                rows.o[mt][nt][half * 2] *= shrink;
                rows.o[mt][nt][half * 2 + 1] *= shrink;
            }
#pragma unroll
            for (int nt = 0; nt < FORWARD_NT; nt++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[mt][nt][half * 2 + e];
                    x = exp2Fast(fmaf(x, c, -shift));
                    sum += x;
                }
            }
            rows.sum[mt][half] = sum;
        }
    }
}

// One warp's rows: normalize, write lse, stage o in the warp's own part of the q tile, write 16-byte pieces.
__device__ __forceinline__ void finishRows(
    const FlashAttention &p, Rows &rows, const Sequence &seq, int row0, u8 *tile, float keepScale) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int warpRow = (threadIdx.x >> 5) * FORWARD_MT * 16;
    float *lse = p.lse + lseOf(p, blockIdx.z, blockIdx.y, seq);
#pragma unroll
    for (int mt = 0; mt < FORWARD_MT; mt++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float sum = rows.sum[mt][half];
            sum += __shfl_xor_sync(0xffffffffu, sum, 1);
            sum += __shfl_xor_sync(0xffffffffu, sum, 2);
            const bool empty = !(sum != 0.0f); // a NaN sum is not empty
            const float factor = empty ? 0.0f : keepScale / sum;
            const int local = warpRow + mt * 16 + half * 8 + g, row = row0 + local;
            if (t == 0 && row < seq.queries) lse[row] = empty ? INFINITY_F : rows.max[mt][half] * p.scale + __logf(sum);
#pragma unroll
            for (int nt = 0; nt < D / 8; nt++)
                *reinterpret_cast<u32 *>(tile + tileOffset<TILE_DEPTH>(local, nt) + t * 4) =
                    pack<Activation>(rows.o[mt][nt][half * 2] * factor, rows.o[mt][nt][half * 2 + 1] * factor);
        }
    }
    __syncwarp();
    Activation *o = headOf(p.o, p.oAt, p, blockIdx.z, blockIdx.y, seq.queryStart);
#pragma unroll
    for (int i = 0; i < FORWARD_MT * 16 * CHUNKS; i += 32) {
        const int local = warpRow + (i + lane) / CHUNKS, chunk = (i + lane) % CHUNKS;
        if (row0 + local < seq.queries && (D == TILE_DEPTH || chunk < D / 8))
            *reinterpret_cast<uint4 *>(o + (i64)(row0 + local) * p.oAt.row + chunk * 8) =
                *reinterpret_cast<const uint4 *>(tile + tileOffset<TILE_DEPTH>(local, chunk));
    }
}
