// residual_layernorm.cu: residual + dropout(branch + branchBias), then layernorm, fused; and the gradient.
//
// forward   residualOut = residualIn + dropout(branch + branchBias)          (rows, C), overwritten
//           y = (residualOut - mean) rstd weight + bias                      (rows, C), overwritten
//           mean, rstd (rows) f32, overwritten; rstd = 1 / sqrt(variance + epsilon)
//           branch null: residualOut is not written, y is the layernorm of residualIn. branchBias, bias may be null.
//           y null: only the residual sum (no layernorm; mean and rstd are not written).
// backward  dResidual += gradient of the layernorm at x = residualOut by dy (rows, C), in place
//           dBranch = dropout mask * dResidual, written only where not null (else the caller aliases dResidual)
//           partial (gridDim.x, 3, C) f32, overwritten: each block's column sums of dy xhat, dy (only with bit 0
//           of biases), dBranch (only with bit 1)
// reduce    dWeight += , dBias +=, dBranchBias += the partial sums, in order of the blocks; each may be null
//
// Statistics are taken of the rounded residualOut, which is what backward reads. Ba et al., arXiv:1607.06450.
//
// -D  ACTIVATION bf16 | fp16 | f32, CHANNELS
// residual_layernorm_forward   grid (ceil(rows / ROWS))           block 128
// residual_layernorm_backward  grid (any fixed number, e.g. 1056)  block BACKWARD_THREADS; partial has gridDim.x slices
// residual_layernorm_reduce    grid (ceil(C / 32), 3)             block (32, 32)
// ROWS (rows a forward block works on) and BACKWARD_THREADS are readable from the module as
// residual_layernorm_rows and residual_layernorm_backward_threads.
#include "common.cuh"

#ifndef CHANNELS
#define CHANNELS 768
#endif

constexpr int C = CHANNELS;
constexpr int V = vectorOf(C);
constexpr int THREADS = 128;
constexpr int ROW_THREADS = C <= 1024 ? 32 : 128;
constexpr int ROWS = THREADS / ROW_THREADS;
constexpr int WARPS = ROW_THREADS / 32;
constexpr int N = (C / V + ROW_THREADS - 1) / ROW_THREADS; // vectors a thread
constexpr bool EXACT = C % (V * ROW_THREADS) == 0;
extern "C" __device__ const int residual_layernorm_rows = ROWS;

// Is vector i of this thread inside the row?
__device__ __forceinline__ bool inside(int i, int lane) { return EXACT || (i * ROW_THREADS + lane) * V < C; }

struct ResidualLayerNorm {
    Activation *residualOut, *y;
    float *mean, *rstd;
    const Activation *residualIn, *branch, *branchBias, *weight, *bias;
    const StepState *state;
    int rows;
    float epsilon;
    u32 threshold, site;
};

extern "C" __global__ void __launch_bounds__(THREADS) residual_layernorm_forward(const ResidualLayerNorm p) {
    __shared__ float scratch[4];
    const int lane = threadIdx.x % ROW_THREADS;
    const i64 row = (i64)blockIdx.x * ROWS + threadIdx.x / ROW_THREADS;
    if (row >= p.rows) return; // a whole warp, or with WARPS > 1 the whole block
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    float x[N][V];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int c = (i * ROW_THREADS + lane) * V;
        if (!inside(i, lane)) continue;
        const i64 e = row * C + c;
        load<Activation, V>(x[i], p.residualIn + e);
        if (p.branch != nullptr) {
            float branch[V];
            load<Activation, V>(branch, p.branch + e);
            if (p.branchBias != nullptr) {
                float bias[V];
                load<Activation, V>(bias, p.branchBias + c);
#pragma unroll
                for (int j = 0; j < V; j++) branch[j] += bias[j];
            }
            dropout<V>(branch, (u64)e, drop);
#pragma unroll
            for (int j = 0; j < V; j++) x[i][j] = toFloat(fromFloat<Activation>(x[i][j] + branch[j]));
            store<Activation, V>(p.residualOut + e, x[i]);
        }
#pragma unroll
        for (int j = 0; j < V; j++) sum += x[i][j];
    }
    if (p.y == nullptr) return;
    const float mean = blockSum<WARPS>(sum, scratch) * (1.0f / C);
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < N; i++)
        if (inside(i, lane))
#pragma unroll
            for (int j = 0; j < V; j++) squares = fmaf(x[i][j] - mean, x[i][j] - mean, squares);
    const float rstd = rsqrtf(blockSum<WARPS>(squares, scratch) * (1.0f / C) + p.epsilon);
    if (lane == 0) {
        p.mean[row] = mean;
        p.rstd[row] = rstd;
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int c = (i * ROW_THREADS + lane) * V;
        if (!inside(i, lane)) continue;
        float weight[V], bias[V];
        load<Activation, V>(weight, p.weight + c);
        if (p.bias != nullptr) load<Activation, V>(bias, p.bias + c);
#pragma unroll
        for (int j = 0; j < V; j++) x[i][j] = fmaf((x[i][j] - mean) * rstd, weight[j], p.bias != nullptr ? bias[j] : 0.0f);
        store<Activation, V>(p.y + row * C + c, x[i]);
    }
}

struct ResidualLayerNormBackward {
    Activation *dResidual, *dBranch;
    float *partial;
    const Activation *dy, *x, *weight;
    const float *mean, *rstd;
    const StepState *state;
    int rows;
    u32 threshold, site, biases;
};

// A block walks rows blockIdx.x, + gridDim.x, ...; a thread owns the same columns of each, so that the order of
// every column sum depends on gridDim.x alone.
constexpr int BACKWARD_THREADS = (C / V + 31) / 32 * 32 > 1024 ? 1024 : (C / V + 31) / 32 * 32;
constexpr int BACKWARD_WARPS = BACKWARD_THREADS / 32;
constexpr int M = (C / V + BACKWARD_THREADS - 1) / BACKWARD_THREADS; // vectors a thread
extern "C" __device__ const int residual_layernorm_backward_threads = BACKWARD_THREADS;

// Sums of two values over the block. scratch alternates between rows, so one barrier a row is enough.
__device__ __forceinline__ float2 rowSums(float a, float b, float2 *scratch) {
    a = warpSum(a);
    b = warpSum(b);
    if (BACKWARD_WARPS == 1) return make_float2(a, b);
    if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = make_float2(a, b);
    __syncthreads();
    float2 sum = make_float2(0.0f, 0.0f);
#pragma unroll
    for (int w = 0; w < BACKWARD_WARPS; w++) {
        sum.x += scratch[w].x;
        sum.y += scratch[w].y;
    }
    return sum;
}

// x, dy and dResidual of a row, as they lie in memory.
__device__ __forceinline__ void fetchRow(Activation (&to)[3][M][V], const ResidualLayerNormBackward &p, i64 row) {
    constexpr int BYTES = V * (int)sizeof(Activation), STEP = BYTES > 16 ? 16 : BYTES;
    typedef typename Word<STEP>::type W;
    if (row >= p.rows) return;
#pragma unroll
    for (int i = 0; i < M; i++) {
        const int c = (i * BACKWARD_THREADS + threadIdx.x) * V;
        if (c >= C) continue;
        const Activation *from[3] = {p.x + row * C + c, p.dy + row * C + c, p.dResidual + row * C + c};
#pragma unroll
        for (int k = 0; k < 3; k++)
#pragma unroll
            for (int b = 0; b < BYTES / STEP; b++)
                reinterpret_cast<W *>(to[k][i])[b] = reinterpret_cast<const W *>(from[k])[b];
    }
}

extern "C" __global__ void __launch_bounds__(BACKWARD_THREADS) residual_layernorm_backward(const ResidualLayerNormBackward p) {
    __shared__ float2 scratch[2][BACKWARD_WARPS];
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    float weight[M][V], dWeight[M][V], dBias[M][V], dBranchBias[M][V];
#pragma unroll
    for (int i = 0; i < M; i++) {
        const int c = (i * BACKWARD_THREADS + threadIdx.x) * V;
        if (c < C) load<Activation, V>(weight[i], p.weight + c);
#pragma unroll
        for (int j = 0; j < V; j++) dWeight[i][j] = dBias[i][j] = dBranchBias[i][j] = 0.0f;
    }
    // The next row is on its way while this one is summed and written: a block has only a few warps.
    __align__(16) Activation next[3][M][V];
    fetchRow(next, p, blockIdx.x);
    int parity = 0;
    for (i64 row = blockIdx.x; row < p.rows; row += gridDim.x, parity ^= 1) {
        const float mean = p.mean[row], rstd = p.rstd[row];
        float xhat[M][V], g[M][V], d[M][V];
        float sumG = 0.0f, sumGX = 0.0f;
#pragma unroll
        for (int i = 0; i < M; i++)
#pragma unroll
            for (int j = 0; j < V; j++) {
                xhat[i][j] = toFloat(next[0][i][j]);
                g[i][j] = toFloat(next[1][i][j]);
                d[i][j] = toFloat(next[2][i][j]);
            }
        if (M == 1) fetchRow(next, p, row + gridDim.x);
#pragma unroll
        for (int i = 0; i < M; i++) {
            if ((i * BACKWARD_THREADS + threadIdx.x) * V >= C) continue;
#pragma unroll
            for (int j = 0; j < V; j++) {
                xhat[i][j] = (xhat[i][j] - mean) * rstd;
                dBias[i][j] += g[i][j];
                dWeight[i][j] = fmaf(g[i][j], xhat[i][j], dWeight[i][j]);
                g[i][j] *= weight[i][j];
                sumG += g[i][j];
                sumGX = fmaf(g[i][j], xhat[i][j], sumGX);
            }
        }
        const float2 sums = rowSums(sumG, sumGX, scratch[parity]);
        const float meanG = sums.x * (1.0f / C), meanGX = sums.y * (1.0f / C);
#pragma unroll
        for (int i = 0; i < M; i++) {
            const int c = (i * BACKWARD_THREADS + threadIdx.x) * V;
            if (c >= C) continue;
#pragma unroll
            for (int j = 0; j < V; j++)
                d[i][j] = toFloat(fromFloat<Activation>(d[i][j] + rstd * (g[i][j] - meanG - xhat[i][j] * meanGX)));
            store<Activation, V>(p.dResidual + row * C + c, d[i]);
            dropout<V>(d[i], (u64)(row * C + c), drop);
            if (p.dBranch != nullptr) store<Activation, V>(p.dBranch + row * C + c, d[i]);
#pragma unroll
            for (int j = 0; j < V; j++) dBranchBias[i][j] += d[i][j];
        }
        if (M > 1) fetchRow(next, p, row + gridDim.x); // long rows leave no registers for two
    }
    float *partial = p.partial + (i64)blockIdx.x * 3 * C;
#pragma unroll
    for (int i = 0; i < M; i++) {
        const int c = (i * BACKWARD_THREADS + threadIdx.x) * V;
        if (c >= C) continue;
        store<f32, V>(partial + c, dWeight[i]);
        if (p.biases & 1) store<f32, V>(partial + C + c, dBias[i]);
        if (p.biases & 2) store<f32, V>(partial + 2 * C + c, dBranchBias[i]);
    }
}

extern "C" __global__ void __launch_bounds__(1024)
residual_layernorm_reduce(float *dWeight, float *dBias, float *dBranchBias, const float *partial, int blocks) {
    __shared__ float shared[32][33];
    float *to = blockIdx.y == 0 ? dWeight : blockIdx.y == 1 ? dBias : dBranchBias;
    if (to == nullptr) return;
    const int c = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.0f;
    if (c < C)
#pragma unroll 8
        for (int b = threadIdx.y; b < blocks; b += 32) sum += partial[((i64)b * 3 + blockIdx.y) * C + c];
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < C) {
        float total = 0.0f;
        for (int i = 0; i < 32; i++) total += shared[i][threadIdx.x];
        to[c] += total;
    }
}
