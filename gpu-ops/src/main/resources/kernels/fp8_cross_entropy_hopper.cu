// fp8_cross_entropy_hopper.cu: softmax and cross entropy over a padded vocabulary, with the gradient of the logits in FP8, beside
// its transpose. Micikevicius et al., arXiv:2209.05433.
//
//   logits (rows, PADDED) activations, read; columns VOCABULARY and beyond are padding
//   targets (rows) i32; -1: ignored (loss 0, gradient 0); another value outside the vocabulary gives loss NaN
//   losses (rows) f32, overwritten: logsumexp(logits) - logits[target]
//   statistics (rows, 2) f32, overwritten by rows: softmax(logits) lossScale = exp2(logits log2(e) + first) second
//   values (rows, PADDED), transposed (PADDED, rows) of e5m2, overwritten by gradient: (softmax - onehot) lossScale, times scale
//   (1) f32; padding becomes 0; maximum (1) f32 = max(maximum, |(softmax - onehot) lossScale|)
// -D  ACTIVATION, VOCABULARY, PADDED (a multiple of 16)
// fp8_cross_entropy_rows       grid (rows)                                       block 512
// fp8_cross_entropy_gradient   grid (ceil(PADDED / 64), ceil(rows / 128))        block 256; rows are a multiple of 16
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "fp8_tile.cuh"

#ifndef VOCABULARY
#define VOCABULARY 50257
#endif
#ifndef PADDED
#define PADDED 50304
#endif
constexpr int THREADS = 512, AHEAD = 4, VECTORS = PADDED / V;

#define FP8_CROSS_ENTROPY(FIELD)      \
    FIELD(float *, losses)            \
    FIELD(float *, statistics)        \
    FIELD(u8 *, values)               \
    FIELD(u8 *, transposed)           \
    FIELD(float *, maximum)           \
    FIELD(const float *, scale)       \
    FIELD(const Activation *, logits) \
    FIELD(const int *, targets)       \
    FIELD(const float *, lossScale)   \
    FIELD(int, rows)
HOST_STRUCT(Fp8CrossEntropy, FP8_CROSS_ENTROPY)

extern "C" __global__ void __launch_bounds__(THREADS) fp8_cross_entropy_rows(const Fp8CrossEntropy p) {
    __shared__ float scratch[THREADS / 32];
    const i64 row = blockIdx.x;
    const Activation *logits = p.logits + row * PADDED;
    const int target = p.targets[row];
    if (target == -1) {
        if (threadIdx.x == 0) {
            p.losses[row] = 0.0f;
            p.statistics[2 * row] = -INFINITY_F;
            p.statistics[2 * row + 1] = 0.0f;
        }
        return;
    }
    float best = -INFINITY_F, sum = 0.0f; // of the thread's own
    for (int first = threadIdx.x; first < VECTORS; first += AHEAD * THREADS) {
        float x[AHEAD][V], most = best;
#pragma unroll
        for (int k = 0; k < AHEAD; k++) {
            const int vector = first + k * THREADS;
            if (vector < VECTORS) load<Activation, V>(x[k], logits + vector * V);
#pragma unroll
            for (int j = 0; j < V; j++) {
                if (vector * V + j >= VOCABULARY) x[k][j] = -INFINITY_F;
                most = fmaxf(most, x[k][j]);
            }
        }
        if (most == -INFINITY_F) continue;
        sum *= exp2Fast((best - most) * LOG2_E);
        best = most;
#pragma unroll
        for (int k = 0; k < AHEAD; k++)
#pragma unroll
            for (int j = 0; j < V; j++) sum += exp2Fast((x[k][j] - best) * LOG2_E);
    }
    const float most = blockMax<THREADS / 32>(best, scratch);
    sum = blockSum<THREADS / 32>(best == -INFINITY_F ? 0.0f : sum * exp2Fast((best - most) * LOG2_E), scratch);
    if (threadIdx.x > 0) return;
    const bool known = target >= 0 && target < VOCABULARY;
    p.losses[row] = known ? logf(sum) + most - toFloat(logits[target]) : NAN_F;
    p.statistics[2 * row] = -most * LOG2_E;
    p.statistics[2 * row + 1] = *p.lossScale / sum;
}

extern "C" __global__ void __launch_bounds__(256) fp8_cross_entropy_gradient(const Fp8CrossEntropy p) {
    const Fp8Tile to = {p.values, p.transposed, p.maximum, *p.scale, p.rows, PADDED};
    const float hit = *p.lossScale;
    quantizeTile<e5m2>(to, p.logits, blockIdx.x, blockIdx.y, [&](float(&v)[V], int row, int column) {
        const float2 statistics = *reinterpret_cast<const float2 *>(p.statistics + 2 * (i64)row);
        const int target = p.targets[row] - column;
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float softmax = exp2Fast(fmaf(v[j], LOG2_E, statistics.x)) * statistics.y;
            v[j] = column + j < VOCABULARY ? softmax - (j == target ? hit : 0.0f) : 0.0f;
        }
    });
}
#endif
