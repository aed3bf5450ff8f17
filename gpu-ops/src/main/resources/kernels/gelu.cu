// gelu.cu: y = gelu(x + bias), erf or tanh form, and its gradient. Hendrycks and Gimpel, arXiv:1606.08415.
//
//   x, y (rows, F) activations; y may be x only if backward is never called, since backward recomputes from x
//   bias (F) activation type, may be null
//   forward   y overwritten
//   backward  dx = dy gelu'(x + bias), overwritten, may be dy; partial (gridDim.y, F) f32, overwritten: column sums
//             of dx over the block's rows; null: not made
//   reduce    dBias += the partial sums in order
// -D  ACTIVATION, CHANNELS (F), GELU_TANH 0 | 1
// gelu_forward   grid (ceil(rows F / (256 VECTOR)))   block 256
// gelu_backward  grid (ceil(F / (32 VECTOR)), row groups: any fixed number)   block (32, 8)
// gelu_reduce    grid (ceil(F / 32))   block (32, 32)
// VECTOR = 8, 4, 2, 1: the widest that divides F; readable from the module as gelu_vector.
#include "columns.cuh"
#include "gelu.cuh"

#ifndef CHANNELS
#define CHANNELS 3072
#endif

constexpr int F = CHANNELS;
constexpr int V = vectorOf(F), AHEAD = 2;
extern "C" __device__ const int gelu_vector = V;

extern "C" __global__ void __launch_bounds__(256)
    gelu_forward(Activation *y, const Activation *x, const Activation *bias, i64 count) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * V;
    if (e >= count) return;
    float v[V];
    load<Activation, V>(v, x + e);
    if (bias != nullptr) {
        float b[V];
        load<Activation, V>(b, bias + e % F);
#pragma unroll
        for (int j = 0; j < V; j++) v[j] += b[j];
    }
#pragma unroll
    for (int j = 0; j < V; j++) v[j] = gelu(v[j]);
    store<Activation, V>(y + e, v);
}

extern "C" __global__ void __launch_bounds__(256) gelu_backward(
    Activation *dx, float *partial, const Activation *dy, const Activation *x, const Activation *bias, int rows) {
    const int c = (blockIdx.x * 32 + threadIdx.x) * V;
    const int per = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * per, end = min(rows, begin + per);
    float b[V], sum[V];
#pragma unroll
    for (int j = 0; j < V; j++) b[j] = sum[j] = 0.0f;
    if (c < F) {
        if (bias != nullptr) load<Activation, V>(b, bias + c);
        for (int row = begin + threadIdx.y; row < end; row += 8 * AHEAD) {
            float v[AHEAD][V], d[AHEAD][V]; // all loads before the first store, which might alias them
#pragma unroll
            for (int k = 0; k < AHEAD; k++)
                if (row + 8 * k < end) {
                    load<Activation, V>(v[k], x + (i64)(row + 8 * k) * F + c);
                    load<Activation, V>(d[k], dy + (i64)(row + 8 * k) * F + c);
                }
#pragma unroll
            for (int k = 0; k < AHEAD; k++)
                if (row + 8 * k < end) {
#pragma unroll
                    for (int j = 0; j < V; j++) {
                        d[k][j] *= geluSlope(v[k][j] + b[j]);
                        sum[j] += d[k][j];
                    }
                    store<Activation, V>(dx + (i64)(row + 8 * k) * F + c, d[k]);
                }
        }
    }
    if (partial != nullptr) storeColumnSums<V>(partial, sum, F);
}

extern "C" __global__ void __launch_bounds__(1024) gelu_reduce(float *dBias, const float *partial, int groups) {
    addColumnSums(dBias, partial, groups, F, F);
}
