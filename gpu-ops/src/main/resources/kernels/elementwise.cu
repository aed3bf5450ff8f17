// elementwise.cu: small passes over flat ranges and matrices.
//
//   accumulate_f32      to += from (f32)
//   normal              x = (sum of four 16-bit draws - 131070) sqrt(3) / 65535; a draw of Philox serves two elements
//   column_sum          partial (gridDim.y, C) f32, overwritten: sums of x's rows, a slice of them each
//   column_sum_reduce   to (C) f32 += partial, in order of the slices
// -D  ACTIVATION
// accumulate_f32      grid (ceil(count / 256))   block 256
// normal              grid (ceil(count / 512))   block 256
// column_sum          grid (ceil(C / 32), slices: any fixed number)   block (32, 8)
// column_sum_reduce   grid (ceil(C / 32))        block (32, 32)
#include "common.cuh"

__device__ __forceinline__ i64 flatIndex() { return (i64)blockIdx.x * 256 + threadIdx.x; }

extern "C" __global__ void __launch_bounds__(256) accumulate_f32(float *to, const float *from, i64 count) {
    if (flatIndex() < count) to[flatIndex()] += from[flatIndex()];
}

extern "C" __global__ void __launch_bounds__(256) normal(Activation *x, i64 count, const StepState *state, u32 site) {
    const i64 first = flatIndex() * 2;
    if (first >= count) return;
    const uint4 draw = philox(state->seed, flatIndex(), site, (u32)state->stream);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        int sum = -131070;
#pragma unroll
        for (int k = 0; k < 4; k++) sum += decision(draw, i * 4 + k);
        if (first + i < count) x[first + i] = fromFloat<Activation>((float)sum * (float)(1.7320508075688772 / 65535));
    }
}

extern "C" __global__ void __launch_bounds__(256)
    column_sum(float *partial, const Activation *x, int rows, int channels) {
    __shared__ float shared[8][32];
    const int c = blockIdx.x * 32 + threadIdx.x;
    const int per = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * per, end = min(rows, begin + per);
    float sum = 0.0f;
    if (c < channels)
#pragma unroll 4
        for (int row = begin + threadIdx.y; row < end; row += 8) sum += toFloat(x[(i64)row * channels + c]);
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < channels) {
        float total = 0.0f;
#pragma unroll
        for (int k = 0; k < 8; k++) total += shared[k][threadIdx.x];
        partial[(i64)blockIdx.y * channels + c] = total;
    }
}

extern "C" __global__ void __launch_bounds__(1024)
    column_sum_reduce(float *to, const float *partial, int slices, int channels) {
    __shared__ float shared[32][33];
    const int c = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.0f;
    if (c < channels)
        for (int s = threadIdx.y; s < slices; s += 32) sum += partial[(i64)s * channels + c];
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < channels) {
        float total = 0.0f;
        for (int i = 0; i < 32; i++) total += shared[i][threadIdx.x];
        to[c] += total;
    }
}
