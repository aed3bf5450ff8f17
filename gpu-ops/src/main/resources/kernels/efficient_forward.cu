// efficient_forward.cu: efficient_attention.cuh's forward pass.
//
// efficient_attention_forward   grid (ceil(Tq / 64), H, B)   block 128   shared efficient_attention_forward_shared
// (dynamic shared memory, bytes, readable from the module by this name)
#include "efficient_attention.cuh"

extern "C" __device__ const int efficient_attention_forward_shared = 2 * D_BYTES + V_BYTES;

extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_forward(const EfficientAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, warpRow = (threadIdx.x >> 5) * 16;
    const int row0 = (gridDim.x - 1 - blockIdx.x) * TILE;
    const Plane m = planeOf(p);
    const Activation *q = headOf(p.q, p.qAt), *k = headOf(p.k, p.kAt), *v = headOf(p.v, p.vAt);
    const u32 qTile = sharedAddress(shared), kTile = qTile + D_BYTES, vTile = kTile + D_BYTES;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, m.queries, m.keys);
    const float c = p.scale * LOG2_E;
    float o[VT][4], best[2] = {-INFINITY_F, -INFINITY_F}, sum[2] = {0.0f, 0.0f};
    clear(o);
    const int seen = keysSeen(m, row0);
    loadTile<DP, HEAD_DIM>(qTile, q, p.qAt.row, row0, m.queries);
    if (seen > 0) loadTile<DP, HEAD_DIM>(kTile, k, p.kAt.row, 0, m.keys);
    copyAsyncCommit();
#pragma unroll 1
    for (int column0 = 0; column0 < seen; column0 += TILE) {
        float s[NT][4];
        copyAsyncWait<0>();
        __syncthreads();
        loadTile<VP, VALUE_DIM>(vTile, v, p.vAt.row, column0, m.keys);
        copyAsyncCommit();
        products<DP, DSTEPS>(s, qTile + warpRow * DP * SIZE, kTile);
        copyAsyncWait<0>();
        __syncthreads();
        if (column0 + TILE < seen) loadTile<DP, HEAD_DIM>(kTile, k, p.kAt.row, column0 + TILE, m.keys);
        copyAsyncCommit();
        const bool edge = onEdge(m, row0, column0);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = row0 + warpRow + half * 8 + g;
            float top = best[half];
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[nt][half * 2 + e];
                    x = score(x, c, m, row, column0 + nt * 8 + t * 2 + e, edge);
                    top = fmaxf(top, x);
                }
            top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
            top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
            const float shift = top == -INFINITY_F ? 0.0f : top;
            const float shrink = exp2Fast(best[half] - shift);
            best[half] = top;
            sum[half] *= shrink;
#pragma unroll
            for (int i = 0; i < VT; i++) {
                o[i][half * 2] *= shrink;
                o[i][half * 2 + 1] *= shrink;
            }
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[nt][half * 2 + e];
                    x = exp2Fast(x - shift);
                    sum[half] += x;
                }
        }
        if (DROPOUT) dropRows<NT>(s, drop, plane, row0 + warpRow, column0);
        accumulate<VP, VT>(o, s, vTile);
    }
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
        sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
        const bool empty = sum[half] == 0.0f; // a NaN sum is not empty
        factor[half] = empty ? 0.0f : (DROPOUT ? drop.keepScale : 1.0f) / sum[half];
        const int row = row0 + warpRow + half * 8 + g;
        if (t == 0 && row < m.queries)
            p.lse[((i64)blockIdx.z * p.heads + blockIdx.y) * m.queries + row] =
                empty ? INFINITY_F : best[half] * LN_2 + __logf(sum[half]);
    }
    writeRows<VT, VALUE_DIM>(o, headOf(p.o, p.oAt), p.oAt.row, row0 + warpRow, m.queries, factor[0], factor[1]);
}
