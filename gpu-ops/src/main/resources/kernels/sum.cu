// sum.cu: total[0] += sum of x, by one block, in an order that depends on the count alone.
//
// sum  grid 1   block 1024
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(1024) sum(float *total, const float *x, i64 count) {
    __shared__ float scratch[32];
    float own = 0.0f;
    for (i64 i = threadIdx.x; i < count; i += 1024) own += x[i];
    own = blockSum<32>(own, scratch);
    if (threadIdx.x == 0) total[0] += own;
}
