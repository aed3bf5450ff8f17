// fp8.cuh: numbers of 8 bits, their products and their transposes (sm_90a). Micikevicius et al., arXiv:2209.05433.
#pragma once
#include "common.cuh"

struct e4m3 {
    u8 bits;
};
struct e5m2 {
    u8 bits;
};

// Two values, low byte first, to nearest even: what lies beyond the largest number becomes that, and infinities NaN, so that
// they are not lost (0 x is NaN where x is infinite).
template <typename T> __device__ __forceinline__ u32 packScaled(float low, float high, float scale);
template <> __device__ __forceinline__ u32 packScaled<e4m3>(float low, float high, float scale) {
    u16 y;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;"
        : "=h"(y)
        : "f"(fmaf(high, 0.0f, high * scale)), "f"(fmaf(low, 0.0f, low * scale)));
    return y;
}
template <> __device__ __forceinline__ u32 packScaled<e5m2>(float low, float high, float scale) {
    u16 y;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;"
        : "=h"(y)
        : "f"(fmaf(high, 0.0f, high * scale)), "f"(fmaf(low, 0.0f, low * scale)));
    return y;
}
// Eight values.
template <typename T> __device__ __forceinline__ uint2 packScaled(const float (&v)[8], float scale) {
    return make_uint2(packScaled<T>(v[0], v[1], scale) | packScaled<T>(v[2], v[3], scale) << 16,
        packScaled<T>(v[4], v[5], scale) | packScaled<T>(v[6], v[7], scale) << 16);
}

// Four rows of four bytes to four columns.
__device__ __forceinline__ void transpose(u32 (&to)[4], u32 row0, u32 row1, u32 row2, u32 row3) {
    const u32 low01 = __byte_perm(row0, row1, 0x5140), low23 = __byte_perm(row2, row3, 0x5140);
    const u32 high01 = __byte_perm(row0, row1, 0x7362), high23 = __byte_perm(row2, row3, 0x7362);
    to[0] = __byte_perm(low01, low23, 0x5410);
    to[1] = __byte_perm(low01, low23, 0x7632);
    to[2] = __byte_perm(high01, high23, 0x5410);
    to[3] = __byte_perm(high01, high23, 0x7632);
}

// maximum = max(maximum, most), most >= 0, whose bits are in the order of the numbers.
__device__ __forceinline__ void raiseMaximum(float *maximum, float most) {
    if (most > 0.0f) atomicMax(reinterpret_cast<int *>(maximum), __float_as_int(most));
}
