// fp8_scales.cu: the scales of FP8 tensors, each from the largest values that it had in the last steps (delayed scaling:
// Micikevicius et al., arXiv:2209.05433).
//
//   begin   scale = the largest power of two with scale x (maximum of history) <= limit; maximum = 0; inverse = 1 / scale,
//           each SPACING apart. Without a history: for gradients GRADIENT_GUESS / lossScale, for others VALUE_GUESS
//   end     history (count, HISTORY) forgets its oldest column and gets maximum, unless that is not finite
//   scale, maximum, limit (count), inverse (count, SPACING) f32; limit is beyond the numbers of e4m3 for gradients (e5m2), not for others
// -D  HISTORY, SPACING
// fp8_scales_begin, fp8_scales_end   grid (ceil(count / 128))   block 128
#include "common.cuh"

#ifndef HISTORY
#define HISTORY 16
#endif
#ifndef SPACING
#define SPACING 4
#endif
constexpr float LARGEST_E4M3 = 448.0f;
// Gradients of the first step are a few times the loss scale, of which e5m2 then spans from 2^-24 to 2^7.
constexpr float GRADIENT_GUESS = 256.0f, VALUE_GUESS = 16.0f;

__device__ __forceinline__ float powerBelow(float x) {
    return __uint_as_float(__float_as_uint(fminf(fmaxf(x, 0x1p-60f), 0x1p60f)) & 0x7f800000u);
}

extern "C" __global__ void __launch_bounds__(128) fp8_scales_begin(float *scale, float *inverse, float *maximum,
    const float *history, const float *limit, const StepState *state, int count) {
    const int i = blockIdx.x * 128 + threadIdx.x;
    if (i >= count) return;
    float most = 0.0f;
    for (int h = 0; h < HISTORY; h++) most = fmaxf(most, history[i * HISTORY + h]);
    const float guess = limit[i] > LARGEST_E4M3 ? GRADIENT_GUESS / state->lossScale : VALUE_GUESS;
    const float s = powerBelow(most > 0.0f ? limit[i] / most : guess);
    scale[i] = s;
    inverse[i * SPACING] = 1.0f / s;
    maximum[i] = 0.0f;
}

extern "C" __global__ void __launch_bounds__(128) fp8_scales_end(float *history, const float *maximum, int count) {
    const int i = blockIdx.x * 128 + threadIdx.x;
    if (i >= count || !(maximum[i] < INFINITY_F)) return;
    for (int h = HISTORY - 1; h > 0; h--) history[i * HISTORY + h] = history[i * HISTORY + h - 1];
    history[i * HISTORY] = maximum[i];
}
