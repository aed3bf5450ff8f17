// accumulate.cu: a running sum of gradients in bf16. Gupta et al., arXiv:1502.02551.
//
//   sum = roundAtRandom(sum + x)     sum (count) bf16, updated in place; x (count) f32: read
// To the bits of the f32 value 16 random ones are added, and the lower half is cut off: up with the probability of what is
// cut off, so that small summands are kept on average, however many there are. Those of weight e are the low half of word
// e % 4 of philox, key seed, counter (e / 4, SITE, stream); e counts from `first`, a multiple of 4. The CPU draws the same
// bits. What is not finite stays so.
// accumulate   grid (ceil(count / 1024))   block 256; pointers aligned to 4 elements
#include "common.cuh"

constexpr u32 SITE = 0xfffffffeu; // no dropout has it, nor the moments of adamw.cu

extern "C" __global__ void __launch_bounds__(256)
    accumulate(bf16 *sum, const float *x, const StepState *state, i64 first, i64 count) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * 4;
    const int n = (int)min((i64)4, count - e);
    if (n <= 0) return;
    const uint4 draw = philox(state->seed, (u64)(first + e) >> 2, SITE, (u32)state->stream);
    const u32 words[4] = {draw.x, draw.y, draw.z, draw.w};
    float total[4], add[4];
    if (n == 4) {
        load<bf16, 4>(total, sum + e);
        load<float, 4>(add, x + e);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const i64 at = e + min(j, n - 1);
            total[j] = toFloat(sum[at]);
            add[j] = x[at];
        }
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
        total[j] += add[j];
        if (fabsf(total[j]) < INFINITY_F) total[j] = roundAtRandom(total[j], words[j] & 0xffffu);
    }
    if (n == 4) {
        store<bf16, 4>(sum + e, total);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (j < n) sum[e + j] = fromFloat<bf16>(total[j]);
    }
}
