// elementwise.cu: the small passes. All overwrite their first argument unless said otherwise.
//
//   fill_f32      to = value                       cast_to_f32     to (f32) = from (activation)
//   cast_from_f32 to (activation) = from (f32)     accumulate_f32  to += from * factor      (f32)
//   scale_f32     to *= factor (f32)               add             to = a + b               (activation; may alias)
//   dropout_apply to = dropout(from) (activation; may alias); with the same site and stream it is its own backward
//   bias_add      x (rows, C) += bias (C)          column_sum      partial (gridDim.y, C) f32 = sums of x's rows
//   column_sum_reduce   to (C) f32 += partial, in order of the slices
// -D  ACTIVATION
// flat kernels      grid (ceil(count / 256))    block 256; add, dropout_apply: 8 elements a thread, grid
//                   (ceil(count / 2048)), pointers aligned to 16 bytes
// bias_add          grid (ceil(rows C / 256))    block 256
// column_sum        grid (ceil(C / 32), slices: any fixed number)   block (32, 8)
// column_sum_reduce grid (ceil(C / 32))          block (32, 32)
#include "common.cuh"

__device__ __forceinline__ i64 flatIndex() { return (i64)blockIdx.x * 256 + threadIdx.x; }

extern "C" __global__ void __launch_bounds__(256) fill_f32(float *to, float value, i64 count) {
    if (flatIndex() < count) to[flatIndex()] = value;
}

extern "C" __global__ void __launch_bounds__(256) cast_to_f32(float *to, const Activation *from, i64 count) {
    if (flatIndex() < count) to[flatIndex()] = toFloat(from[flatIndex()]);
}

extern "C" __global__ void __launch_bounds__(256) cast_from_f32(Activation *to, const float *from, i64 count) {
    if (flatIndex() < count) to[flatIndex()] = fromFloat<Activation>(from[flatIndex()]);
}

extern "C" __global__ void __launch_bounds__(256) accumulate_f32(float *to, const float *from, float factor, i64 count) {
    if (flatIndex() < count) to[flatIndex()] = fmaf(from[flatIndex()], factor, to[flatIndex()]);
}

extern "C" __global__ void __launch_bounds__(256) scale_f32(float *to, float factor, i64 count) {
    if (flatIndex() < count) to[flatIndex()] *= factor;
}

extern "C" __global__ void __launch_bounds__(256) add(Activation *to, const Activation *a, const Activation *b, i64 count) {
    const i64 e = flatIndex() * 8;
    if (e + 8 <= count) {
        float x[8], y[8];
        load<Activation, 8>(x, a + e);
        load<Activation, 8>(y, b + e);
#pragma unroll
        for (int j = 0; j < 8; j++) x[j] += y[j];
        store<Activation, 8>(to + e, x);
    } else {
        for (i64 i = e; i < count; i++) to[i] = fromFloat<Activation>(toFloat(a[i]) + toFloat(b[i]));
    }
}

extern "C" __global__ void __launch_bounds__(256)
dropout_apply(Activation *to, const Activation *from, i64 count, u32 threshold, u32 site, const StepState *state) {
    const i64 e = flatIndex() * 8;
    const Dropout drop = dropoutOf(state, threshold, site);
    if (e + 8 <= count) {
        float x[8];
        load<Activation, 8>(x, from + e);
        dropout<8>(x, (u64)e, drop);
        store<Activation, 8>(to + e, x);
    } else {
        for (i64 i = e; i < count; i++) {
            float x[1] = {toFloat(from[i])};
            dropout<1>(x, (u64)i, drop);
            to[i] = fromFloat<Activation>(x[0]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) bias_add(Activation *x, const Activation *bias, int channels, i64 count) {
    const i64 e = flatIndex();
    if (e < count) x[e] = fromFloat<Activation>(toFloat(x[e]) + toFloat(bias[e % channels]));
}

extern "C" __global__ void __launch_bounds__(256) column_sum(float *partial, const Activation *x, int rows, int channels) {
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

extern "C" __global__ void __launch_bounds__(1024) column_sum_reduce(float *to, const float *partial, int slices, int channels) {
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
