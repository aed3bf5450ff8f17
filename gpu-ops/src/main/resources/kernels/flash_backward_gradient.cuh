// flash_backward_gradient.cuh: how a warp of the wgmma backward kernels of head dimensions 32 and 64 writes a gradient (sm_90a
// only).
#pragma once
#include "flash_attention.cuh"
#include "wgmma.cuh"

// sum * factor, of 16 rows a warp, by way of its rows of a tile in shared memory that nobody else reads. The warp's are
// rows from warpRow on of the tile, which begins at row0 of all rows.
__device__ __forceinline__ void writeGradient(
    Activation *to, i64 stride, const float (&sum)[D / 8][4], float factor, u8 *tile, int warpRow, int row0, int rows) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int dt = 0; dt < D / 8; dt += 2) {
        u32 x[2][2];
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i / 2][i % 2] =
                pack<Activation>(sum[dt + i / 2][i % 2 * 2] * factor, sum[dt + i / 2][i % 2 * 2 + 1] * factor);
        const u32 at = sharedAddress(tile) + tileOffset<D>(warpRow + (lane & 15), dt + (lane >> 4));
        storeMatrix(at, x[0][0], x[0][1], x[1][0], x[1][1]);
    }
    __syncwarp();
    u8 *column = reinterpret_cast<u8 *>(to + lane % CHUNKS * 8);
#pragma unroll
    for (int i = 0; i < 16; i += 32 / CHUNKS) {
        const int local = warpRow + i + lane / CHUNKS;
        if (row0 + local < rows)
            *reinterpret_cast<uint4 *>(column + (u64)(u32)(row0 + local) * ((u32)stride * 2)) =
                *reinterpret_cast<const uint4 *>(tile + tileOffset<D>(local, lane % CHUNKS));
    }
}
