// rounding.cu: gradients for the wire between GPUs in bf16, to nearest even, with error feedback.
// Seide et al., Interspeech 2014; Karimireddy et al., arXiv:1901.09847.
//
// round_with_feedback  s = x + residual; wire = ROUNDED(s); residual = s - ROUNDED(s), exactly     (both overwritten)
//                      x, residual (count) f32; wire (count) WIRE, may be x where that is f32
// sum_of_ranks         s = ((x of rank 0 + x of rank 1) + ...) + residual in f32; own = ROUNDED(s); residual = s - own
//                      own (count) WIRE: this rank's x, overwritten with the sum; others + rank stride (count) WIRE: the
//                      other ranks'; residual (count) f32
// widen                to = from; from (count) WIRE, to (count) f32
//
// -D  ROUNDED: bf16 | f32, which rounds nothing and so sets the residual to 0; WIRE: bf16 | f32, which holds either
// all  grid (ceil(count / 1024))   block 256; pointers aligned to 4 elements
#include "common.cuh"

#ifndef ROUNDED
#define ROUNDED bf16
#endif
#ifndef WIRE
#define WIRE bf16
#endif

template <typename T> __device__ __forceinline__ void get(float (&out)[4], const T *from, int n) {
    if (n == 4) {
        load<T, 4>(out, from);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++) out[j] = toFloat(from[min(j, n - 1)]);
    }
}

template <typename T> __device__ __forceinline__ void put(T *to, const float (&in)[4], int n) {
    if (n == 4) {
        store<T, 4>(to, in);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (j < n) to[j] = fromFloat<T>(in[j]);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    round_with_feedback(WIRE *wire, float *residual, const float *x, i64 count) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * 4;
    const int n = (int)min((i64)4, count - e);
    if (n <= 0) return;
    float s[4], r[4];
    get(s, x + e, n);
    get(r, residual + e, n);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const float sum = s[j] + r[j];
        s[j] = toFloat(fromFloat<ROUNDED>(sum));
        r[j] = sum - s[j];
    }
    put(wire + e, s, n);
    put(residual + e, r, n);
}

extern "C" __global__ void __launch_bounds__(256)
    sum_of_ranks(WIRE *own, const WIRE *others, float *residual, i64 stride, int rank, int ranks, i64 count) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * 4;
    const int n = (int)min((i64)4, count - e);
    if (n <= 0) return;
    float s[4], x[4];
    get(s, rank == 0 ? own + e : others + e, n);
    for (int r = 1; r < ranks; r++) {
        get(x, r == rank ? own + e : others + r * stride + e, n);
#pragma unroll
        for (int j = 0; j < 4; j++) s[j] += x[j];
    }
    get(x, residual + e, n);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const float sum = s[j] + x[j];
        s[j] = toFloat(fromFloat<ROUNDED>(sum));
        x[j] = sum - s[j];
    }
    put(own + e, s, n);
    put(residual + e, x, n);
}

extern "C" __global__ void __launch_bounds__(256) widen(float *to, const WIRE *from, i64 count) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * 4;
    const int n = (int)min((i64)4, count - e);
    if (n <= 0) return;
    float x[4];
    get(x, from + e, n);
    put(to + e, x, n);
}
