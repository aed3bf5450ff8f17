// copy.cu: to = from between strided views of any floating types, of one shape.
//
// Dimensions are given innermost first; strides in elements, 0 where from is broadcast. Missing ones have extent 1.
// -D  FROM, TO: f32 | bf16 | fp16
// copy  grid (ceil(count / 256))   block 256
#include "common.cuh"

#ifndef FROM
#define FROM f32
#endif
#ifndef TO
#define TO f32
#endif

constexpr int RANK = 5;
typedef i64 PerDimension[RANK];

#define COPY(FIELD)                \
    FIELD(TO *, to)                \
    FIELD(const FROM *, from)      \
    FIELD(i64, count)              \
    FIELD(PerDimension, extents)   \
    FIELD(PerDimension, toStrides) \
    FIELD(PerDimension, fromStrides)
HOST_STRUCT(Copy, COPY)

extern "C" __global__ void __launch_bounds__(256) copy(const Copy p) {
    const i64 e = (i64)blockIdx.x * 256 + threadIdx.x;
    if (e >= p.count) return;
    i64 rest = e, to = 0, from = 0;
#pragma unroll
    for (int d = 0; d < RANK; d++) {
        const i64 next = rest / p.extents[d], i = rest - next * p.extents[d];
        to += i * p.toStrides[d];
        from += i * p.fromStrides[d];
        rest = next;
    }
    p.to[to] = fromFloat<TO>(toFloat(p.from[from]));
}
