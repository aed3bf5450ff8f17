// column_sum.cu: the column sums of a matrix, in an order that depends on its shape alone.
//
//   column_sum          partial (gridDim.y, CHANNELS) f32, overwritten: sums of x's (rows, CHANNELS) rows, a slice of them each
//   column_sum_reduce   to (CHANNELS) f32 += partial, in order of the slices
// -D  ACTIVATION, CHANNELS
// column_sum          grid (ceil(CHANNELS / (32 VECTOR)), slices: any fixed number)   block (32, 8)
// column_sum_reduce   grid (ceil(CHANNELS / 32))                                      block (32, 32)
// VECTOR: the widest of 8, 4, 2, 1 that divides CHANNELS; readable from the module as column_sum_vector.
#include "common.cuh"

#ifndef CHANNELS
#define CHANNELS 2304
#endif
constexpr int C = CHANNELS, V = vectorOf(C);
extern "C" __device__ const int column_sum_vector = V;

extern "C" __global__ void __launch_bounds__(256) column_sum(float *partial, const Activation *x, int rows) {
    __shared__ float shared[8][32 * V];
    const int c = (blockIdx.x * 32 + threadIdx.x) * V;
    const int per = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * per, end = min(rows, begin + per);
    float sum[V] = {};
    if (c < C)
#pragma unroll 4
        for (int row = begin + threadIdx.y; row < end; row += 8) {
            float v[V];
            load<Activation, V>(v, x + (i64)row * C + c);
#pragma unroll
            for (int j = 0; j < V; j++) sum[j] += v[j];
        }
#pragma unroll
    for (int j = 0; j < V; j++) shared[threadIdx.y][threadIdx.x * V + j] = sum[j];
    __syncthreads();
    for (int i = threadIdx.y * 32 + threadIdx.x; i < 32 * V; i += 256) {
        const int column = blockIdx.x * 32 * V + i;
        float total = 0.0f;
#pragma unroll
        for (int k = 0; k < 8; k++) total += shared[k][i];
        if (column < C) partial[(i64)blockIdx.y * C + column] = total;
    }
}

extern "C" __global__ void __launch_bounds__(1024) column_sum_reduce(float *to, const float *partial, int slices) {
    __shared__ float shared[32][33];
    const int c = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.0f;
    if (c < C)
        for (int s = threadIdx.y; s < slices; s += 32) sum += partial[(i64)s * C + c];
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < C) {
        float total = 0.0f;
        for (int i = 0; i < 32; i++) total += shared[i][threadIdx.x];
        to[c] += total;
    }
}
