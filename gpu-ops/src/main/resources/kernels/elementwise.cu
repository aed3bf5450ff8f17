// elementwise.cu: small passes over flat ranges.
//
//   accumulate_f32   to += from (f32)
//   normal           x = (sum of four 16-bit draws - 131070) sqrt(3) / 65535; a draw of Philox serves two elements
// -D  ACTIVATION
// accumulate_f32   grid (ceil(count / 256))   block 256
// normal           grid (ceil(count / 512))   block 256
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
