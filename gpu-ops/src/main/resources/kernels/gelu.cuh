// gelu.cuh: gelu(x), erf or tanh form, and its slope. Hendrycks and Gimpel, arXiv:1606.08415.
// -D  GELU_TANH 0 | 1
#pragma once
#include "common.cuh"

#ifndef GELU_TANH
#define GELU_TANH 0
#endif

constexpr float SQRT_2_OVER_PI = 0.7978845608028654f, CUBE = 0.044715f;

// tanh through one exp2; exact to rounding for large |x|, no cancellation trouble at half precision.
__device__ __forceinline__ float tanhFast(float x) {
    return 1.0f - __fdividef(2.0f, 1.0f + exp2Fast(fminf(x, 40.0f) * (2.0f * LOG2_E)));
}

// The normal distribution's Phi(x), and bell = exp(-x^2 / 2). Half precision takes erfc(|x| / sqrt 2) from Abramowitz
// and Stegun 7.1.26, which is off by at most 1.5e-7 and shares its exponential with the slope: erff is what bounds
// these kernels otherwise, not memory.
__device__ __forceinline__ float phi(float x, float &bell) {
    bell = exp2Fast(-0.5f * LOG2_E * x * x);
    if (sizeof(Activation) == 4) return 0.5f * (1.0f + erff(x * 0.7071067811865476f));
    const float t = __fdividef(1.0f, fmaf(0.3275911f * 0.7071067811865476f, fabsf(x), 1.0f));
    float tail = 0.5f * 1.061405429f;
    tail = fmaf(tail, t, 0.5f * -1.453152027f);
    tail = fmaf(tail, t, 0.5f * 1.421413741f);
    tail = fmaf(tail, t, 0.5f * -0.284496736f);
    tail = fmaf(tail, t, 0.5f * 0.254829592f);
    tail *= t * bell;
    return x < 0.0f ? tail : 1.0f - tail;
}

__device__ __forceinline__ float gelu(float x) {
    if (GELU_TANH) return 0.5f * x * (1.0f + tanhFast(SQRT_2_OVER_PI * (x + CUBE * x * x * x)));
    float bell;
    return x * phi(x, bell);
}

__device__ __forceinline__ float geluSlope(float x) {
    if (GELU_TANH) {
        const float t = tanhFast(SQRT_2_OVER_PI * (x + CUBE * x * x * x));
        return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * SQRT_2_OVER_PI * (1.0f + 3.0f * CUBE * x * x);
    }
    float bell;
    const float below = phi(x, bell);
    return fmaf(x * 0.3989422804014327f, bell, below);
}
