// columns.cuh: sums of a matrix's columns in an order that depends on its shape alone.
#pragma once
#include "common.cuh"

// What a block (32, 8) has summed of its rows, V columns a thread from (blockIdx.x 32 + threadIdx.x) V on, becomes row blockIdx.y
// of partial (gridDim.y, columns).
template <int V> __device__ __forceinline__ void storeColumnSums(float *partial, const float (&sum)[V], int columns) {
    __shared__ float shared[8][32 * V];
#pragma unroll
    for (int j = 0; j < V; j++) shared[threadIdx.y][threadIdx.x * V + j] = sum[j];
    __syncthreads();
    for (int i = threadIdx.y * 32 + threadIdx.x; i < 32 * V; i += 256) {
        const int column = blockIdx.x * 32 * V + i;
        float total = 0.0f;
#pragma unroll
        for (int k = 0; k < 8; k++) total += shared[k][i];
        if (column < columns) partial[(i64)blockIdx.y * columns + column] = total;
    }
}

// to (columns) += the rows of partial, `stride` apart, in order; a block (32, 32) for 32 columns.
__device__ __forceinline__ void addColumnSums(float *to, const float *partial, int rows, int columns, i64 stride) {
    __shared__ float shared[32][33];
    const int c = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.0f;
    if (c < columns)
#pragma unroll 8
        for (int row = threadIdx.y; row < rows; row += 32) sum += partial[row * stride + c];
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < columns) {
        float total = 0.0f;
        for (int i = 0; i < 32; i++) total += shared[i][threadIdx.x];
        to[c] += total;
    }
}
