// gelu_coarse.cuh: gelu(x) for results of 8 bits, and its slope, two values at a time in half precision (sm_75 on).
// Hendrycks and Gimpel, arXiv:1606.08415.
// -D  GELU_TANH 0 | 1
#pragma once
#include "gelu.cuh"

// Phi(x) = (1 + tanh(x (a + b x^2 + c x^4))) / 2, for |x| > 4 by the polynomial at 4: in the erf form gelu is off by 3.1e-5, its
// slope by 1.2e-4. tanh is one instruction, off by 2^-11, as far as every step here is rounded.
constexpr float COARSE_A = GELU_TANH ? SQRT_2_OVER_PI : 0.797626935f,
                COARSE_B = GELU_TANH ? SQRT_2_OVER_PI * CUBE : 0.0369248982f,
                COARSE_C = GELU_TANH ? 0.0f : -3.41024947e-4f;

// Pairs of fp16, the first in the low half.
__device__ __forceinline__ u32 halves(float x) { return pack<fp16>(x, x); }
__device__ __forceinline__ u32 halvesFma(u32 a, u32 b, u32 c) {
    u32 y;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
    return y;
}
__device__ __forceinline__ u32 halvesTimes(u32 a, u32 b) {
    u32 y;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
}
__device__ __forceinline__ u32 halvesMin(u32 a, u32 b) {
    u32 y;
    asm("min.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
}
__device__ __forceinline__ u32 halvesTanh(u32 x) {
    u32 y;
    asm("tanh.approx.f16x2 %0, %1;" : "=r"(y) : "r"(x));
    return y;
}

// y = gelu(x) of two values; slopes: of both, packed. Infinite x, and what is beyond fp16, gives NaN where it is not infinite.
__device__ __forceinline__ void geluCoarse(float x0, float x1, float &y0, float &y1, u32 &slopes) {
    const u32 x = pack<fp16>(x0, x1), half = halvesTimes(x, halves(0.5f));
    const u32 square = halvesMin(halvesTimes(x, x), halves(16.0f));
    const u32 inner = halvesFma(halvesFma(halves(COARSE_C), square, halves(COARSE_B)), square, halves(COARSE_A));
    const u32 t = halvesTanh(halvesTimes(x, inner));
    const float2 y = unpack<fp16>(halvesFma(half, t, half));
    y0 = y.x;
    y1 = y.y;
    const u32 outer =
        halvesFma(halvesFma(halves(5.0f * COARSE_C), square, halves(3.0f * COARSE_B)), square, halves(COARSE_A));
    const u32 bell = halvesFma(halvesTimes(t, halves(-1.0f)), t, halves(1.0f)); // 1 - t^2
    const u32 phi = halvesFma(halves(0.5f), t, halves(0.5f));
    const float2 slope = unpack<fp16>(halvesFma(halvesTimes(half, outer), bell, phi));
    slopes = pack<Activation>(slope.x, slope.y);
}
