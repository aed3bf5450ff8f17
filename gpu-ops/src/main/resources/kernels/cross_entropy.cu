// cross_entropy.cu: softmax, cross entropy and its gradient over a padded vocabulary, in one pass over memory.
//
//   logits (rows, PADDED) activations; columns VOCABULARY and beyond are padding, never read into the sum
//   targets (rows) i32; -1: ignored (loss 0, gradient 0); another value outside the vocabulary gives loss NaN
//   losses (rows) f32, overwritten: logsumexp(logits) - logits[target]
//   cross_entropy_backward: logits become dlogits = (softmax - onehot) * scale[0]; padding becomes 0
// A row takes a block, or a warp where it is short. It is staged in shared memory, each thread reading back only what it
// copied itself; a row too long for shared memory (STAGED 0) is read twice.
// -D  ACTIVATION, VOCABULARY, PADDED (a multiple of 8)
// cross_entropy_loss, cross_entropy_backward  grid (ceil(rows / ROWS))  block 512  dynamic shared memory
// cross_entropy_shared bytes; ROWS is readable from the module as cross_entropy_rows
#include "common.cuh"

#ifndef VOCABULARY
#define VOCABULARY 50257
#endif
#ifndef PADDED
#define PADDED 50304
#endif
constexpr int SIZE = (int)sizeof(Activation), V = 16 / SIZE; // one 16-byte vector
static_assert(PADDED % 8 == 0 && PADDED >= VOCABULARY, "PADDED must be a multiple of 8, at least VOCABULARY");
#ifndef STAGED
#define STAGED (PADDED * SIZE <= 112 * 1024)
#endif
constexpr int THREADS = 512, VECTORS = PADDED / V;
constexpr int ROW_THREADS = VECTORS <= 128 ? 32 : THREADS, WARPS = ROW_THREADS / 32, ROWS = THREADS / ROW_THREADS;
extern "C" __device__ const int cross_entropy_rows = ROWS;
extern "C" __device__ const int cross_entropy_shared = STAGED ? ROWS * PADDED * SIZE : 0;

__device__ __forceinline__ void rowBarrier() {
    if (ROW_THREADS == 32) __syncwarp();
    else __syncthreads();
}

// One vector of the row, -inf in the padding.
__device__ __forceinline__ void logitsAt(float (&x)[V], const Activation *row, int vector) {
    load<Activation, V>(x, row + vector * V);
    if (VOCABULARY % V == 0 && VOCABULARY == PADDED) return;
    if ((vector + 1) * V > VOCABULARY)
#pragma unroll
        for (int j = 0; j < V; j++)
            if (vector * V + j >= VOCABULARY) x[j] = -INFINITY_F;
}

template <bool GRADIENT>
__device__ __forceinline__ void classify(
    float *losses, Activation *logits, const int *targets, int rows, const float *scale) {
    extern __shared__ __align__(16) u8 shared[];
    __shared__ float scratch[WARPS];
    const int lane = threadIdx.x % ROW_THREADS, group = threadIdx.x / ROW_THREADS;
    const i64 rowIndex = (i64)blockIdx.x * ROWS + group;
    if (rowIndex >= rows) return; // a whole group
    Activation *row = logits + rowIndex * PADDED;
    u8 *own = shared + group * PADDED * SIZE;
    const Activation *from = STAGED ? reinterpret_cast<const Activation *>(own) : row;
    const int target = targets[rowIndex];
    if (target == -1) {
        if (lane == 0) losses[rowIndex] = 0.0f;
        if (GRADIENT)
            for (int i = lane; i < VECTORS; i += ROW_THREADS)
                reinterpret_cast<uint4 *>(row)[i] = make_uint4(0, 0, 0, 0);
        return;
    }
    if (STAGED) {
        const u32 to = sharedAddress(own);
        for (int i = lane; i < VECTORS; i += ROW_THREADS) copyAsync16(to + i * 16, row + i * V, true);
        copyAsyncCommit();
        copyAsyncWait<0>();
        if (ROW_THREADS == 32) __syncwarp(); // one thread reads the target's logit; a block's maximum has barriers
    }
    float best = -INFINITY_F;
    for (int i = lane; i < VECTORS; i += ROW_THREADS) {
        float x[V];
        logitsAt(x, from, i);
#pragma unroll
        for (int j = 0; j < V; j++) best = fmaxf(best, x[j]);
    }
    best = blockMax<WARPS>(best, scratch);
    const float shift = -best * LOG2_E;
    float sum = 0.0f;
    for (int i = lane; i < VECTORS; i += ROW_THREADS) {
        float x[V];
        logitsAt(x, from, i);
#pragma unroll
        for (int j = 0; j < V; j++) sum += exp2Fast(fmaf(x[j], LOG2_E, shift));
    }
    sum = blockSum<WARPS>(sum, scratch);
    const bool known = target >= 0 && target < VOCABULARY;
    if (lane == 0) losses[rowIndex] = known ? logf(sum) + best - toFloat(from[target]) : NAN_F;
    if (!GRADIENT) return;
    if (!STAGED) rowBarrier(); // the target's logit is read before it is overwritten
    const float factor = scale[0] / sum, hit = scale[0];
    for (int i = lane; i < VECTORS; i += ROW_THREADS) {
        float x[V];
        logitsAt(x, from, i);
#pragma unroll
        for (int j = 0; j < V; j++)
            x[j] = exp2Fast(fmaf(x[j], LOG2_E, shift)) * factor - (i * V + j == target ? hit : 0.0f);
        store<Activation, V>(row + i * V, x);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    cross_entropy_loss(float *losses, Activation *logits, const int *targets, int rows) {
    classify<false>(losses, logits, targets, rows, nullptr);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    cross_entropy_backward(float *losses, Activation *logits, const int *targets, int rows, const float *scale) {
    classify<true>(losses, logits, targets, rows, scale);
}
