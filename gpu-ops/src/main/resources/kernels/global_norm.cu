// global_norm.cu: gradNorm = gradientScale * sqrt(sum of squares of a gradient), and the clip factor.
//
//   gradient: gridDim.y pieces of count elements, one every `pitch` elements
//   partial (gridDim.y, gridDim.x) f64, overwritten: each block's sum of squares, in a fixed order
//   state.gradNorm = norm; state.clipScale = gradientScale * min(1, maxNorm / (norm + 1e-6)); maxNorm <= 0: no clipping
//   gradientScale multiplies the gradient as it lies in memory (1 / loss scale, 1 / world size of a sum).
// Float within a thread over a few thousand values, double across threads and blocks: the result depends on the
// count and on gridDim.x alone.
// -D  GRADIENT f32 | bf16
// global_norm_partial  grid (any fixed number, e.g. 1024; pieces)  block 256; every piece aligned to 16 bytes
// global_norm_finish   grid 1  block 256
#include "common.cuh"

#ifndef GRADIENT
#define GRADIENT f32
#endif
typedef GRADIENT Gradient;

__device__ __forceinline__ double blockSumDouble(double x, double *shared) {
    shared[threadIdx.x] = x;
    __syncthreads();
    for (int d = 128; d > 0; d >>= 1) {
        if (threadIdx.x < d) shared[threadIdx.x] += shared[threadIdx.x + d];
        __syncthreads();
    }
    return shared[0];
}

extern "C" __global__ void __launch_bounds__(256)
    global_norm_partial(double *partial, const Gradient *gradient, i64 count, i64 pitch) {
    __shared__ double shared[256];
    double total = 0.0;
    gradient += blockIdx.y * pitch;
    const i64 vectors = count / 4, stride = (i64)gridDim.x * 256;
    i64 i = (i64)blockIdx.x * 256 + threadIdx.x;
    while (i < vectors) { // 16 vectors at a time in float, then into the double
        float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 4
        for (int k = 0; k < 16 && i < vectors; k++, i += stride) {
            float g[4];
            load<Gradient, 4>(g, gradient + i * 4);
#pragma unroll
            for (int j = 0; j < 4; j++) sum[j] = fmaf(g[j], g[j], sum[j]);
        }
        total += (double)((sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
    if (blockIdx.x == 0 && threadIdx.x < count - vectors * 4) {
        const float g = toFloat(gradient[vectors * 4 + threadIdx.x]);
        total += (double)(g * g);
    }
    total = blockSumDouble(total, shared);
    if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = total;
}

extern "C" __global__ void __launch_bounds__(256)
    global_norm_finish(StepState *state, const double *partial, int blocks, float maxNorm, float gradientScale) {
    __shared__ double shared[256];
    double total = 0.0;
    for (int i = threadIdx.x; i < blocks; i += 256) total += partial[i];
    total = blockSumDouble(total, shared);
    if (threadIdx.x == 0) {
        const float norm = (float)(sqrt(total) * gradientScale);
        state->gradNorm = norm;
        state->clipScale = gradientScale * (maxNorm > 0.0f ? fminf(1.0f, maxNorm / (norm + 1e-6f)) : 1.0f);
    }
}
