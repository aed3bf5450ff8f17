// residual_layernorm.cu: residual + dropout(branch + branchBias), then layernorm, fused; and the gradient.
//
// forward   residualOut = residualIn + dropout(branch + branchBias)          (rows, C), overwritten
//           y = (residualOut - mean) rstd weight + bias                      (rows, C), overwritten
//           mean, rstd (rows) f32, overwritten; rstd = 1 / sqrt(variance + epsilon)
//           branch null: residualOut is not written, y is the layernorm of residualIn. branchBias, bias may be null.
//           y null: only the residual sum (no layernorm; mean and rstd are not written).
// backward  dResidual += gradient of the layernorm at x = residualOut by dy (rows, C), in place
//           dBranch = dropout mask * dResidual, written only where not null (else the caller aliases dResidual)
//           partial (gridDim.x, 3, C) f32, overwritten: each block's column sums of dy xhat, dy, dBranch
// reduce    dWeight += , dBias +=, dBranchBias += the partial sums, in order of the blocks; each may be null
//
// Statistics are taken of the rounded residualOut, which is what backward reads. Ba et al., arXiv:1607.06450.
//
// -D  ACTIVATION bf16 | fp16 | f32, CHANNELS
// residual_layernorm_forward   grid (ceil(rows / ROWS))           block 128
// residual_layernorm_backward  grid (any fixed number, e.g. 528)   block 128, partial has gridDim.x slices
// residual_layernorm_reduce    grid (ceil(C / 32))                block (32, 32)
// ROWS (rows a block works on at once) is readable from the module as residual_layernorm_rows.
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
    u32 threshold, site;
};

// Column sums of a block: thread groups of the block are added in order.
__device__ __forceinline__ void columnSums(float (&sums)[N][V], float *to, float *shared) {
    const int lane = threadIdx.x % ROW_THREADS, group = threadIdx.x / ROW_THREADS;
#pragma unroll 1
    for (int g = 0; g < ROWS; g++) {
        if (group == g)
#pragma unroll
            for (int i = 0; i < N; i++)
                if (inside(i, lane))
#pragma unroll
                    for (int j = 0; j < V; j++) {
                        const int c = (i * ROW_THREADS + lane) * V + j;
                        shared[c] = g == 0 ? sums[i][j] : shared[c] + sums[i][j];
                    }
        __syncthreads();
    }
    for (int c = threadIdx.x; c < C; c += THREADS) to[c] = shared[c];
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(THREADS) residual_layernorm_backward(const ResidualLayerNormBackward p) {
    __shared__ float scratch[4];
    __shared__ float shared[C];
    const int lane = threadIdx.x % ROW_THREADS;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    float dWeight[N][V], dBias[N][V], dBranchBias[N][V];
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
        for (int j = 0; j < V; j++) dWeight[i][j] = dBias[i][j] = dBranchBias[i][j] = 0.0f;
    // Rows are dealt round robin, so that the order of every sum depends on gridDim.x alone.
    for (i64 row = (i64)blockIdx.x * ROWS + threadIdx.x / ROW_THREADS; row < p.rows; row += (i64)gridDim.x * ROWS) {
        const float mean = p.mean[row], rstd = p.rstd[row];
        float xhat[N][V], g[N][V];
        float sumG = 0.0f, sumGX = 0.0f;
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int c = (i * ROW_THREADS + lane) * V;
            if (!inside(i, lane)) continue;
            float weight[V];
            load<Activation, V>(xhat[i], p.x + row * C + c);
            load<Activation, V>(g[i], p.dy + row * C + c);
            load<Activation, V>(weight, p.weight + c);
#pragma unroll
            for (int j = 0; j < V; j++) {
                xhat[i][j] = (xhat[i][j] - mean) * rstd;
                dBias[i][j] += g[i][j];
                dWeight[i][j] = fmaf(g[i][j], xhat[i][j], dWeight[i][j]);
                g[i][j] *= weight[j];
                sumG += g[i][j];
                sumGX = fmaf(g[i][j], xhat[i][j], sumGX);
            }
        }
        sumG = blockSum<WARPS>(sumG, scratch) * (1.0f / C);
        sumGX = blockSum<WARPS>(sumGX, scratch) * (1.0f / C);
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int c = (i * ROW_THREADS + lane) * V;
            if (!inside(i, lane)) continue;
            float d[V];
            load<Activation, V>(d, p.dResidual + row * C + c);
#pragma unroll
            for (int j = 0; j < V; j++)
                d[j] = toFloat(fromFloat<Activation>(d[j] + rstd * (g[i][j] - sumG - xhat[i][j] * sumGX)));
            store<Activation, V>(p.dResidual + row * C + c, d);
            dropout<V>(d, (u64)(row * C + c), drop);
            if (p.dBranch != nullptr) store<Activation, V>(p.dBranch + row * C + c, d);
#pragma unroll
            for (int j = 0; j < V; j++) dBranchBias[i][j] += d[j];
        }
    }
    __syncthreads();
    float *partial = p.partial + (i64)blockIdx.x * 3 * C;
    columnSums(dWeight, partial, shared);
    columnSums(dBias, partial + C, shared);
    columnSums(dBranchBias, partial + 2 * C, shared);
}

extern "C" __global__ void __launch_bounds__(1024)
residual_layernorm_reduce(float *dWeight, float *dBias, float *dBranchBias, const float *partial, int blocks) {
    __shared__ float shared[3][32][33];
    const int c = blockIdx.x * 32 + threadIdx.x;
    float sums[3] = {0.0f, 0.0f, 0.0f};
    if (c < C)
        for (int b = threadIdx.y; b < blocks; b += 32)
#pragma unroll
            for (int k = 0; k < 3; k++) sums[k] += partial[((i64)b * 3 + k) * C + c];
#pragma unroll
    for (int k = 0; k < 3; k++) shared[k][threadIdx.y][threadIdx.x] = sums[k];
    __syncthreads();
    if (threadIdx.y < 3 && c < C) {
        float *to = threadIdx.y == 0 ? dWeight : threadIdx.y == 1 ? dBias : dBranchBias;
        float sum = 0.0f;
        for (int i = 0; i < 32; i++) sum += shared[threadIdx.y][i][threadIdx.x];
        if (to != nullptr) to[c] += sum;
    }
}
