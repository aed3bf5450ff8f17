// flash_backward_products.cuh: the matrix products of flash_backward.cu through mma.sync, and how it writes dk and dv. The
// including file defines the shape of its tiles: BM, BN, CHUNK, KT, CT, WN, WM, QWM, QT, DT and OWN_DEPTH (columns of dk and dv).
#pragma once
#include "flash_attention.cuh"

// acc (key rows x CHUNK rows of q) = x y^T, x the warp's key rows, y the chunk, both D wide in shared memory.
__device__ __forceinline__ void transposedScores(float (&acc)[KT][CT][4], u32 xTile, u32 yTile) {
    const int lane = threadIdx.x & 31;
    const int bRow = (lane & 7) + ((lane >> 4) << 3), bChunk = (lane >> 3) & 1;
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int ct = 0; ct < CT; ct++)
#pragma unroll
            for (int e = 0; e < 4; e++) acc[kt][ct][e] = 0.0f;
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++) {
        u32 a[KT][4];
#pragma unroll
        for (int kt = 0; kt < KT; kt++)
            loadMatrix(a[kt], xTile + tileOffset<TILE_DEPTH>(kt * 16 + (lane & 15), kk * 2 + (lane >> 4)));
#pragma unroll
        for (int cc = 0; cc < CT / 2; cc++) {
            u32 b[4];
            loadMatrix(b, yTile + tileOffset<TILE_DEPTH>(cc * 16 + bRow, kk * 2 + bChunk));
#pragma unroll
            for (int kt = 0; kt < KT; kt++) {
                multiply<Activation>(acc[kt][cc * 2], a[kt], b[0], b[1]);
                multiply<Activation>(acc[kt][cc * 2 + 1], a[kt], b[2], b[3]);
            }
        }
    }
}

// acc (key rows x OWN_DEPTH) += half(x) y, x (key rows x CHUNK) in registers, y the chunk in shared memory from column0 on.
__device__ __forceinline__ void accumulate(
    float (&acc)[KT][OWN_DEPTH / 8][4], const u32 (&x)[KT][CT][2], u32 yTile, int column0) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int cc = 0; cc < CT / 2; cc++) {
#pragma unroll
        for (int dd = 0; dd < OWN_DEPTH / 16; dd++) {
            u32 b[4];
            loadMatrixTransposed(
                b, yTile + tileOffset<TILE_DEPTH>(cc * 16 + (lane & 15), column0 / 8 + dd * 2 + (lane >> 4)));
#pragma unroll
            for (int kt = 0; kt < KT; kt++) {
                const u32 a[4] = {x[kt][cc * 2][0], x[kt][cc * 2][1], x[kt][cc * 2 + 1][0], x[kt][cc * 2 + 1][1]};
                multiply<Activation>(acc[kt][dd * 2], a, b[0], b[1]);
                multiply<Activation>(acc[kt][dd * 2 + 1], a, b[2], b[3]);
            }
        }
    }
}

__device__ __forceinline__ void packTile(u32 (&to)[KT][CT][2], const float (&x)[KT][CT][4]) {
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int ct = 0; ct < CT; ct++) {
            to[kt][ct][0] = pack<Activation>(x[kt][ct][0], x[kt][ct][1]);
            to[kt][ct][1] = pack<Activation>(x[kt][ct][2], x[kt][ct][3]);
        }
}

// dq (QT * 16 rows x DT * 8 columns of the warp, of the block's from column0 on) = ds k.
__device__ __forceinline__ void queryGradient(float (&dq)[QT][DT][4], u32 dsTile, u32 kTile, int column0) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int rowChunk = (warp % QWM) * QT * 2, dChunk = column0 / 8 + (warp / QWM) * DT;
#pragma unroll
    for (int qt = 0; qt < QT; qt++)
#pragma unroll
        for (int dt = 0; dt < DT; dt++)
#pragma unroll
            for (int e = 0; e < 4; e++) dq[qt][dt][e] = 0.0f;
#pragma unroll
    for (int kk = 0; kk < BN / 16; kk++) {
        u32 a[QT][4];
#pragma unroll
        for (int qt = 0; qt < QT; qt++)
            loadMatrixTransposed(a[qt],
                dsTile +
                    tileOffset<BM>(kk * 16 + (lane & 7) + ((lane >> 4) << 3), rowChunk + qt * 2 + ((lane >> 3) & 1)));
#pragma unroll
        for (int dd = 0; dd < DT / 2; dd++) {
            u32 b[4];
            loadMatrixTransposed(
                b, kTile + tileOffset<TILE_DEPTH>(kk * 16 + (lane & 15), dChunk + dd * 2 + (lane >> 4)));
#pragma unroll
            for (int qt = 0; qt < QT; qt++) {
                multiply<Activation>(dq[qt][dd * 2], a[qt], b[0], b[1]);
                multiply<Activation>(dq[qt][dd * 2 + 1], a[qt], b[2], b[3]);
            }
        }
    }
}

// The two warps that share key rows (WM = 2) each hold a partial sum: one finishes dv, the other dk.
__device__ __forceinline__ void writeRows(const FlashAttention &p, const float (&x)[KT][OWN_DEPTH / 8][4],
    const float *other, Activation *to, i64 stride, int key0, int keys, float factor) {
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const int warpKey = ((threadIdx.x >> 5) % WN) * KT * 16;
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int dt = 0; dt < OWN_DEPTH / 8; dt++) {
            float4 y = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (WM == 2)
                y = reinterpret_cast<const float4 *>(
                    other)[(((threadIdx.x >> 5) % WN) * KT * (OWN_DEPTH / 8) + kt * (OWN_DEPTH / 8) + dt) * 32 + lane];
            const int key = key0 + warpKey + kt * 16 + g;
            if (key < keys)
                *reinterpret_cast<u32 *>(to + (i64)key * stride + dt * 8 + t * 2) =
                    pack<Activation>((x[kt][dt][0] + y.x) * factor, (x[kt][dt][1] + y.y) * factor);
            if (key + 8 < keys)
                *reinterpret_cast<u32 *>(to + (i64)(key + 8) * stride + dt * 8 + t * 2) =
                    pack<Activation>((x[kt][dt][2] + y.z) * factor, (x[kt][dt][3] + y.w) * factor);
        }
}

__device__ __forceinline__ void handOver(const float (&x)[KT][OWN_DEPTH / 8][4], float *to) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int kt = 0; kt < KT; kt++)
#pragma unroll
        for (int dt = 0; dt < OWN_DEPTH / 8; dt++)
            reinterpret_cast<float4 *>(
                to)[(((threadIdx.x >> 5) % WN) * KT * (OWN_DEPTH / 8) + kt * (OWN_DEPTH / 8) + dt) * 32 + lane] =
                make_float4(x[kt][dt][0], x[kt][dt][1], x[kt][dt][2], x[kt][dt][3]);
}
