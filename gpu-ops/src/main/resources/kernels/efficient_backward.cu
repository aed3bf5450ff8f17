// efficient_backward.cu: efficient_attention.cuh's gradient: the sum over dO o of each row first, then dq by query tiles
// and dk, dv by key tiles.
//
// efficient_attention_backward_rows    grid (ceil(Tq / 4), H, B)   block 128
// efficient_attention_backward_query   grid (ceil(Tq / 64), H, B)  block 128  shared efficient_attention_query_shared
// efficient_attention_backward_key     grid (ceil(Tk / 64), H, B)  block 128  shared efficient_attention_key_shared
// (dynamic shared memory, bytes, readable from the module by these names)
#include "efficient_attention.cuh"

constexpr int STAGES = 3 * (D_BYTES + V_BYTES) <= 98304 ? 2 : 1;
constexpr int BACKWARD_SHARED = (1 + STAGES) * (D_BYTES + V_BYTES);
extern "C" __device__ const int efficient_attention_query_shared = BACKWARD_SHARED;
extern "C" __device__ const int efficient_attention_key_shared = BACKWARD_SHARED;

// delta[row] = (1 - p) rowsum(dO o); one warp a row.
extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_backward_rows(const EfficientAttention p) {
    const int row = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= p.queryLength) return;
    const Activation *o = headOf(p.o, p.oAt) + row * p.oAt.row, *dO = headOf(p.dO, p.dOAt) + row * p.dOAt.row;
    float sum = 0.0f;
    for (int i = lane * 2; i < VALUE_DIM; i += 64) {
        float x[2], y[2];
        load<Activation, 2>(x, o + i);
        load<Activation, 2>(y, dO + i);
        sum = fmaf(x[0], y[0], fmaf(x[1], y[1], sum));
    }
    sum = warpSum(sum);
    if (lane == 0)
        p.delta[((i64)blockIdx.z * p.heads + blockIdx.y) * p.queryLength + row] =
            sum * (DROPOUT ? (float)(65536u - p.threshold) * (1.0f / 65536.0f) : 1.0f);
}

// dq = scale * ds k, with ds = p (dp - delta) recomputed.
extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_backward_query(const EfficientAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, warpRow = (threadIdx.x >> 5) * 16;
    const int row0 = (gridDim.x - 1 - blockIdx.x) * TILE;
    const Plane m = planeOf(p);
    const Activation *k = headOf(p.k, p.kAt), *v = headOf(p.v, p.vAt);
    const u32 qTile = sharedAddress(shared), dOTile = qTile + D_BYTES, stages = dOTile + V_BYTES;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, m.queries, m.keys);
    const float c = p.scale * LOG2_E, keep = DROPOUT ? drop.keepScale : 1.0f;
    const i64 first = ((i64)blockIdx.z * p.heads + blockIdx.y) * m.queries;
    float lse[2], delta[2], dq[DT][4];
    clear(dq);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = row0 + warpRow + half * 8 + g;
        lse[half] = row < m.queries ? p.lse[first + row] * LOG2_E : INFINITY_F;
        delta[half] = row < m.queries ? p.delta[first + row] : 0.0f;
    }
    auto loadStage = [&](int column0) {
        const u32 at = stages + (column0 / TILE % STAGES) * (D_BYTES + V_BYTES);
        loadTile<DP, HEAD_DIM>(at, k, p.kAt.row, column0, m.keys);
        loadTile<VP, VALUE_DIM>(at + D_BYTES, v, p.vAt.row, column0, m.keys);
    };
    const int seen = keysSeen(m, row0);
    loadTile<DP, HEAD_DIM>(qTile, headOf(p.q, p.qAt), p.qAt.row, row0, m.queries);
    loadTile<VP, VALUE_DIM>(dOTile, headOf(p.dO, p.dOAt), p.dOAt.row, row0, m.queries);
    if (seen > 0) loadStage(0);
    copyAsyncCommit();
#pragma unroll 1
    for (int column0 = 0; column0 < seen; column0 += TILE) {
        float s[NT][4], dp[NT][4];
        copyAsyncWait<0>();
        __syncthreads();
        if (STAGES == 2 && column0 + TILE < seen) loadStage(column0 + TILE);
        copyAsyncCommit();
        const u32 kTile = stages + (column0 / TILE % STAGES) * (D_BYTES + V_BYTES);
        products<DP, DSTEPS>(s, qTile + warpRow * DP * SIZE, kTile);
        products<VP, VSTEPS>(dp, dOTile + warpRow * VP * SIZE, kTile + D_BYTES);
        if (DROPOUT) dropRows<NT>(dp, drop, plane, row0 + warpRow, column0);
        const bool edge = onEdge(m, row0, column0);
#pragma unroll
        for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int half = e >> 1, row = row0 + warpRow + half * 8 + g;
                const float y = score(s[nt][e], c, m, row, column0 + nt * 8 + t * 2 + (e & 1), edge);
                s[nt][e] = exp2Fast(y - lse[half]) * (dp[nt][e] - delta[half]);
            }
        accumulate<DP, DT>(dq, s, kTile);
        if (STAGES == 1 && column0 + TILE < seen) {
            __syncthreads();
            loadStage(column0 + TILE);
            copyAsyncCommit();
        }
    }
    const float factor = p.scale * keep;
    writeRows<DT, HEAD_DIM>(dq, headOf(p.dq, p.dqAt), p.dqAt.row, row0 + warpRow, m.queries, factor, factor);
}

// dv = p^T dO, dk = scale * ds^T q: a warp owns 16 keys and walks the rows.
extern "C" __global__ void __launch_bounds__(THREADS) efficient_attention_backward_key(const EfficientAttention p) {
    extern __shared__ __align__(1024) u8 shared[];
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, warpKey = (threadIdx.x >> 5) * 16;
    const int key0 = blockIdx.x * TILE;
    const Plane m = planeOf(p);
    const Activation *q = headOf(p.q, p.qAt), *dO = headOf(p.dO, p.dOAt);
    const u32 kTile = sharedAddress(shared), vTile = kTile + D_BYTES, stages = vTile + V_BYTES;
    const Dropout drop = dropoutOf(p.state, DROPOUT ? p.threshold : 0, p.site);
    const DropoutPlane plane = dropoutPlane(blockIdx.z, blockIdx.y, p.heads, m.queries, m.keys);
    const float c = p.scale * LOG2_E, keep = DROPOUT ? drop.keepScale : 1.0f;
    const i64 first = ((i64)blockIdx.z * p.heads + blockIdx.y) * m.queries;
    const float *lse = p.lse + first, *delta = p.delta + first;
    float dk[DT][4], dv[VT][4];
    clear(dk);
    clear(dv);
    auto loadStage = [&](int row0) {
        const u32 at = stages + (row0 / TILE % STAGES) * (D_BYTES + V_BYTES);
        loadTile<DP, HEAD_DIM>(at, q, p.qAt.row, row0, m.queries);
        loadTile<VP, VALUE_DIM>(at + D_BYTES, dO, p.dOAt.row, row0, m.queries);
    };
    const int begin = CAUSAL ? max(0, key0 - m.offset) / TILE * TILE : 0;
    loadTile<DP, HEAD_DIM>(kTile, headOf(p.k, p.kAt), p.kAt.row, key0, m.keys);
    loadTile<VP, VALUE_DIM>(vTile, headOf(p.v, p.vAt), p.vAt.row, key0, m.keys);
    if (begin < m.queries) loadStage(begin);
    copyAsyncCommit();
#pragma unroll 1
    for (int row0 = begin; row0 < m.queries; row0 += TILE) {
        float s[NT][4], x[NT][4];
        copyAsyncWait<0>();
        __syncthreads();
        if (STAGES == 2 && row0 + TILE < m.queries) loadStage(row0 + TILE);
        copyAsyncCommit();
        const u32 qTile = stages + (row0 / TILE % STAGES) * (D_BYTES + V_BYTES), dOTile = qTile + D_BYTES;
        const bool edge = onEdge(m, row0, key0);
        products<DP, DSTEPS>(s, kTile + warpKey * DP * SIZE, qTile);
        u32 kept[NT];
#pragma unroll
        for (int nt = 0; nt < NT; nt++) {
            kept[nt] = DROPOUT ? keptBits<1>(drop, plane, key0 + warpKey, row0 + nt * 8) : 0xfu;
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int row = row0 + nt * 8 + t * 2 + (e & 1), key = key0 + warpKey + (e >> 1) * 8 + g;
                const float y = score(s[nt][e], c, m, row, key, edge);
                s[nt][e] = exp2Fast(y - (row < m.queries ? lse[row] * LOG2_E : INFINITY_F));
                x[nt][e] = (kept[nt] >> e) & 1 ? s[nt][e] : 0.0f;
            }
        }
        accumulate<VP, VT>(dv, x, dOTile);
        products<VP, VSTEPS>(x, vTile + warpKey * VP * SIZE, dOTile);
#pragma unroll
        for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int row = row0 + nt * 8 + t * 2 + (e & 1);
                const float dp = (kept[nt] >> e) & 1 ? x[nt][e] : 0.0f;
                s[nt][e] *= dp - (row < m.queries ? delta[row] : 0.0f);
            }
        accumulate<DP, DT>(dk, s, qTile);
        if (STAGES == 1 && row0 + TILE < m.queries) {
            __syncthreads();
            loadStage(row0 + TILE);
            copyAsyncCommit();
        }
    }
    writeRows<VT, VALUE_DIM>(dv, headOf(p.dv, p.dvAt), p.dvAt.row, key0 + warpKey, m.keys, keep, keep);
    writeRows<DT, HEAD_DIM>(
        dk, headOf(p.dk, p.dkAt), p.dkAt.row, key0 + warpKey, m.keys, p.scale * keep, p.scale * keep);
}
