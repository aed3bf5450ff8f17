// column_sum.cu: the column sums of a matrix, in an order that depends on its shape alone.
//
//   column_sum          partial (gridDim.y, CHANNELS) f32, overwritten: sums of x's (rows, CHANNELS) rows, a slice of them each
//   column_sum_reduce   to (CHANNELS) f32 += partial, in order of the slices
// -D  ACTIVATION, CHANNELS
// column_sum          grid (ceil(CHANNELS / (32 VECTOR)), slices: any fixed number)   block (32, 8)
// column_sum_reduce   grid (ceil(CHANNELS / 32))                                      block (32, 32)
// VECTOR: the widest of 8, 4, 2, 1 that divides CHANNELS; readable from the module as column_sum_vector.
#include "columns.cuh"

#ifndef CHANNELS
#define CHANNELS 2304
#endif
constexpr int C = CHANNELS, V = vectorOf(C);
extern "C" __device__ const int column_sum_vector = V;

extern "C" __global__ void __launch_bounds__(256) column_sum(float *partial, const Activation *x, int rows) {
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
    storeColumnSums<V>(partial, sum, C);
}

extern "C" __global__ void __launch_bounds__(1024) column_sum_reduce(float *to, const float *partial, int slices) {
    addColumnSums(to, partial, slices, C, C);
}
