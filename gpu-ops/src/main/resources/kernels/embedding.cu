// embedding.cu: x[n] = dropout(wte[tokens[n]] + wpe[positions[n]]), and its gradient, deterministic.
//
//   tokens, positions (N) i32, N = B T; wte (VOCABULARY, C), wpe (T, C) activation type; x, dx (N, C) activations, x
//   overwritten; dwte (VOCABULARY, C), dwpe (T, C) f32: +=
// dwpe for any positions is dwte's kernels over the positions, VOCABULARY being T; where the positions are 0 .. T-1
// again and again, embedding_backward_positions is faster.
// Backward sorts the B T positions by token (stable counting sort; a function of the tokens alone) and adds the
// rows of each token in that order:
//   embedding_count   each block ranks its 1024 positions: rank[i] = equal tokens before i in the chunk,
//                     counts[chunk][v] = occurrences                                  (overwritten)
//   embedding_prefix  counts[chunk][v] becomes the sum over earlier chunks; totals[v]  (overwritten)
//   embedding_scan    starts (VOCABULARY + 1) = exclusive sum of totals; present[0] = number of tokens that occur,
//                     present[1...] = those tokens, ascending                         (overwritten)
//   embedding_place   order[starts[v] + counts[chunk][v] + rank] = position           (overwritten)
//   embedding_backward_tokens, embedding_backward_positions   dwte +=, dwpe +=
// Workspace, i32: rank (B T), counts (chunks, VOCABULARY), totals (VOCABULARY), starts (VOCABULARY + 1),
// present (VOCABULARY + 1), order (B T); chunks = ceil(B T / 1024).
// A token outside the vocabulary reads as NaN forward and is left out backward.
//
// -D  ACTIVATION, CHANNELS, VOCABULARY
// embedding_forward              grid (ceil(B T C / (256 VECTOR)))  block 256
// embedding_count                grid (chunks)                     block 1024
// embedding_prefix               grid (ceil(VOCABULARY / 256))     block 256
// embedding_scan                 grid 1                            block 1024
// embedding_place                grid (chunks)                     block 1024
// embedding_backward_tokens      grid (min(VOCABULARY, B T, 1024), ceil(C / (32 VECTOR)))  block (32, 16)
// embedding_backward_positions   grid (ceil(T C / (32 VECTOR)))    block (32, 8)
// VECTOR: the widest of 8, 4, 2, 1 that divides C; readable from the module as embedding_vector.
#include "common.cuh"

#ifndef CHANNELS
#define CHANNELS 768
#endif
#ifndef VOCABULARY
#define VOCABULARY 50257
#endif
constexpr int C = CHANNELS, V = vectorOf(C), CHUNK = 1024, GROUPS = 16, RARE = 64;
extern "C" __device__ const int embedding_vector = V;

extern "C" __global__ void __launch_bounds__(256)
    embedding_forward(Activation *x, const int *tokens, const int *positions, const Activation *wte,
        const Activation *wpe, i64 rows, u32 threshold, u32 site, const StepState *state) {
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * V;
    if (e >= rows * C) return;
    const i64 row = e / C;
    const int c = (int)(e % C), token = tokens[row];
    float a[V], b[V];
    load<Activation, V>(b, wpe + (i64)positions[row] * C + c);
    const bool known = token >= 0 && token < VOCABULARY;
    if (known) load<Activation, V>(a, wte + (i64)token * C + c);
#pragma unroll
    for (int j = 0; j < V; j++) a[j] = known ? a[j] + b[j] : NAN_F;
    dropout<V>(a, (u64)e, dropoutOf(state, threshold, site));
    store<Activation, V>(x + e, a);
}

extern "C" __global__ void __launch_bounds__(CHUNK)
    embedding_count(int *rank, int *counts, const int *tokens, int positions) {
    __shared__ __align__(16) int shared[CHUNK];
    const int i = blockIdx.x * CHUNK + threadIdx.x;
    const int token = i < positions ? tokens[i] : -1;
    int *own = counts + (i64)blockIdx.x * VOCABULARY;
    for (int v = threadIdx.x; v < VOCABULARY; v += CHUNK) own[v] = 0;
    shared[threadIdx.x] = token;
    __syncthreads();
    const int lane = threadIdx.x & 31, warp = threadIdx.x - lane;
    const u32 same = __match_any_sync(0xffffffffu, token);
    int before = __popc(same & ((1u << lane) - 1));
    bool after = (same >> lane) > 1;
    for (int j = 0; j < warp; j += 4) {
        const int4 other = *reinterpret_cast<const int4 *>(shared + j);
        before += (other.x == token) + (other.y == token) + (other.z == token) + (other.w == token);
    }
    for (int j = warp + 32; j < CHUNK; j += 4) {
        const int4 other = *reinterpret_cast<const int4 *>(shared + j);
        after |= other.x == token || other.y == token || other.z == token || other.w == token;
    }
    if (i < positions) rank[i] = before;
    if (token >= 0 && token < VOCABULARY && !after) own[token] = before + 1; // the last of its kind
}

extern "C" __global__ void __launch_bounds__(256) embedding_prefix(int *counts, int *totals, int chunks) {
    const int v = blockIdx.x * 256 + threadIdx.x;
    if (v >= VOCABULARY) return;
    int sum = 0;
    for (int first = 0; first < chunks; first += 8) { // eight loads in flight
        int count[8];
#pragma unroll
        for (int k = 0; k < 8; k++) count[k] = first + k < chunks ? counts[(i64)(first + k) * VOCABULARY + v] : 0;
#pragma unroll
        for (int k = 0; k < 8; k++) {
            if (first + k < chunks) counts[(i64)(first + k) * VOCABULARY + v] = sum;
            sum += count[k];
        }
    }
    totals[v] = sum;
}

// Exclusive scan over 1024 threads; total receives the sum. shared holds 32 values.
__device__ __forceinline__ u64 blockScan(u64 x, u64 *shared, u64 &total) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    u64 sum = x;
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) {
        const u64 left = __shfl_up_sync(0xffffffffu, sum, d);
        if (lane >= d) sum += left;
    }
    __syncthreads();
    if (lane == 31) shared[warp] = sum;
    __syncthreads();
    u64 before = 0;
    total = 0;
#pragma unroll
    for (int w = 0; w < 32; w++) {
        before += w < warp ? shared[w] : 0;
        total += shared[w];
    }
    return before + sum - x;
}

extern "C" __global__ void __launch_bounds__(1024) embedding_scan(int *starts, int *present, const int *totals) {
    __shared__ u64 shared[32];
    u64 carry = 0; // low half: occurrences, high half: tokens that occur
    for (int first = 0; first < VOCABULARY; first += 4096) {
        const int v = first + threadIdx.x * 4;
        int count[4];
        u64 own = 0, total;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            count[j] = v + j < VOCABULARY ? totals[v + j] : 0;
            own += (u64)count[j] + (count[j] > 0 ? 1ull << 32 : 0);
        }
        u64 at = carry + blockScan(own, shared, total);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (v + j < VOCABULARY) starts[v + j] = (int)(u32)at;
            if (count[j] > 0) present[1 + (int)(at >> 32)] = v + j;
            at += (u64)count[j] + (count[j] > 0 ? 1ull << 32 : 0);
        }
        carry += total;
    }
    if (threadIdx.x == 0) {
        starts[VOCABULARY] = (int)(u32)carry;
        present[0] = (int)(carry >> 32);
    }
}

extern "C" __global__ void __launch_bounds__(CHUNK) embedding_place(
    int *order, const int *starts, const int *counts, const int *rank, const int *tokens, int positions) {
    const int i = blockIdx.x * CHUNK + threadIdx.x;
    if (i >= positions) return;
    const int token = tokens[i];
    if (token >= 0 && token < VOCABULARY)
        order[starts[token] + counts[(i64)blockIdx.x * VOCABULARY + token] + rank[i]] = i;
}

// sum += the rows of positions order[begin + first], ... in steps: 32 at a time, `stride` apart, in order.
__device__ __forceinline__ void addRows(float (&sum)[V], const Activation *dx, const int *order, int first, int end,
    int stride, int c, const Dropout &drop) {
    for (int base = first; base < end; base += stride) {
        const int mine = base + threadIdx.x < end ? order[base + threadIdx.x] : 0;
        const int number = min(32, end - base);
        for (int k = 0; k < number; k += 8) { // eight rows in flight
            float d[8][V];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const i64 e = (i64)__shfl_sync(0xffffffffu, mine, (k + i) & 31) * C + c;
                if (k + i < number && c < C) {
                    load<Activation, V>(d[i], dx + e);
                    dropout<V>(d[i], (u64)e, drop);
                } else {
#pragma unroll
                    for (int j = 0; j < V; j++) d[i][j] = 0.0f;
                }
            }
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < V; j++) sum[j] += d[i][j];
        }
    }
}

// Rare tokens take a warp each, frequent ones a block each. Frequent tokens are neighbours in most vocabularies, so
// consecutive ones go to different blocks.
extern "C" __global__ void __launch_bounds__(32 * GROUPS) embedding_backward_tokens(float *dwte, const Activation *dx,
    const int *order, const int *starts, const int *present, u32 threshold, u32 site, const StepState *state) {
    __shared__ float shared[GROUPS][32 * V];
    const int c = (blockIdx.y * 32 + threadIdx.x) * V;
    const Dropout drop = dropoutOf(state, threshold, site);
    const int number = present[0];
    for (int k = blockIdx.x, seen = 0; k < number; k += gridDim.x, seen++) {
        if (seen % (32 * GROUPS) == 0) { // each thread looks at one token to come: mostly all are rare
            const i64 mine = k + (i64)(threadIdx.y * 32 + threadIdx.x) * gridDim.x;
            const bool frequent = mine < number && starts[present[1 + mine] + 1] - starts[present[1 + mine]] > RARE;
            if (!__syncthreads_or(frequent)) {
                k += (32 * GROUPS - 1) * gridDim.x;
                seen += 32 * GROUPS - 1;
                continue;
            }
        }
        const int token = present[1 + k], begin = starts[token], end = starts[token + 1];
        if (end - begin <= RARE) continue;
        float sum[V];
#pragma unroll
        for (int j = 0; j < V; j++) sum[j] = 0.0f;
        addRows(sum, dx, order, begin + (int)threadIdx.y * 32, end, 32 * GROUPS, c, drop);
#pragma unroll
        for (int j = 0; j < V; j++) shared[threadIdx.y][threadIdx.x * V + j] = sum[j];
        __syncthreads();
        for (int i = threadIdx.y * 32 + threadIdx.x; i < 32 * V; i += 32 * GROUPS) {
            const int column = blockIdx.y * 32 * V + i;
            float total = 0.0f;
#pragma unroll
            for (int w = 0; w < GROUPS; w++) total += shared[w][i];
            if (column < C) dwte[(i64)token * C + column] += total;
        }
        __syncthreads();
    }
    for (int k = blockIdx.x * GROUPS + threadIdx.y; k < number; k += gridDim.x * GROUPS) {
        const int token = present[1 + k], begin = starts[token], end = starts[token + 1];
        if (end - begin > RARE) continue;
        float sum[V];
#pragma unroll
        for (int j = 0; j < V; j++) sum[j] = 0.0f;
        addRows(sum, dx, order, begin, end, 32, c, drop);
        if (c < C)
#pragma unroll
            for (int j = 0; j < V; j++) dwte[(i64)token * C + c + j] += sum[j];
    }
}

// A warp sums every eighth sequence, so that short sequences fill the GPU too.
extern "C" __global__ void __launch_bounds__(256) embedding_backward_positions(
    float *dwpe, const Activation *dx, int batch, int length, u32 threshold, u32 site, const StepState *state) {
    __shared__ float shared[8][32 * V];
    const i64 count = (i64)length * C, first = (i64)blockIdx.x * 32 * V, e = first + threadIdx.x * V;
    const Dropout drop = dropoutOf(state, threshold, site);
    float sum[V];
#pragma unroll
    for (int j = 0; j < V; j++) sum[j] = 0.0f;
    if (e < count)
#pragma unroll 4
        for (int b = threadIdx.y; b < batch; b += 8) {
            float d[V];
            load<Activation, V>(d, dx + b * count + e);
            dropout<V>(d, (u64)(b * count + e), drop);
#pragma unroll
            for (int j = 0; j < V; j++) sum[j] += d[j];
        }
#pragma unroll
    for (int j = 0; j < V; j++) shared[threadIdx.y][threadIdx.x * V + j] = sum[j];
    __syncthreads();
    for (int i = threadIdx.y * 32 + threadIdx.x; i < 32 * V && first + i < count; i += 256) {
        float total = 0.0f;
#pragma unroll
        for (int w = 0; w < 8; w++) total += shared[w][i];
        dwpe[first + i] += total;
    }
}
