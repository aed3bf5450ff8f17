// residual_layernorm_backward.cu: the gradient of residual_layernorm_forward.cu.
//
// backward  dResidual += (accumulate 0: =) gradient of the layernorm at x = residualOut by dy (rows, C), in place
//           dBranch = dropout mask * dResidual, written only where not null (else the caller aliases dResidual)
//           partial (gridDim.x, 3, C) f32, overwritten: each block's column sums of dy xhat and, by ..._backward_biases
//           alone, of dy and of dBranch
// reduce    dWeight += , dBias +=, dBranchBias += the partial sums, in order of the blocks; each may be null
// residual_layernorm_backward[_biases]   grid (any fixed number)   block THREADS; partial has gridDim.x slices
// residual_layernorm_reduce              grid (ceil(C / 32), 3)    block (32, 32)
// Readable from the module: THREADS as residual_layernorm_threads, and how many blocks of each kind a multiprocessor runs at
// once as residual_layernorm_blocks and residual_layernorm_blocks_biases; more would only leave it part idle at the end.
#include "columns.cuh"
#include "residual_layernorm.cuh"

#define RESIDUAL_LAYERNORM_BACKWARD(FIELD) \
    FIELD(Activation *, dResidual)         \
    FIELD(Activation *, dBranch)           \
    FIELD(float *, partial)                \
    FIELD(const Activation *, dy)          \
    FIELD(const Activation *, x)           \
    FIELD(const Activation *, weight)      \
    FIELD(const float *, mean)             \
    FIELD(const float *, rstd)             \
    FIELD(const StepState *, state)        \
    FIELD(int, rows)                       \
    FIELD(u32, threshold)                  \
    FIELD(u32, site)                       \
    FIELD(u32, accumulate)
HOST_STRUCT(ResidualLayerNormBackward, RESIDUAL_LAYERNORM_BACKWARD)

constexpr int BLOCKS = C <= 768 ? 4 : C <= 1024 ? 3 : N == 1 ? 1024 / THREADS : 1;
constexpr int BLOCKS_BIASES = C <= 768 ? 3
    : C <= 1024                        ? 2
    : N == 1                           ? (sizeof(Activation) == 4 ? 640 : 896) / THREADS
                                       : 1;
extern "C" __device__ const int residual_layernorm_blocks = BLOCKS;
extern "C" __device__ const int residual_layernorm_blocks_biases = BLOCKS_BIASES;

// Keeps the compiler from computing across this point with floats that it could make of the vectors again.
__device__ __forceinline__ void keepPacked(Vectors &x) {
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
        for (int b = 0; b < V * (int)sizeof(Activation) / 4; b++)
            asm volatile("" : "+r"(reinterpret_cast<u32 *>(x.values[i])[b]));
}

// Sums a and b over the group. scratch alternates between turns, so one barrier a turn is enough.
__device__ __forceinline__ void groupSums(float (&a)[R], float (&b)[R], float2 *scratch) {
#pragma unroll
    for (int r = 0; r < R; r++) {
        a[r] = warpSum(a[r]);
        b[r] = warpSum(b[r]);
    }
    if constexpr (WARPS > 1) {
#pragma unroll
        for (int r = 0; r < R; r++)
            if ((threadIdx.x & 31) == 0) scratch[(threadIdx.x >> 5) * R + r] = make_float2(a[r], b[r]);
        __syncthreads();
#pragma unroll
        for (int r = 0; r < R; r++) {
            a[r] = b[r] = 0.0f;
#pragma unroll
            for (int w = 0; w < WARPS; w++) {
                a[r] += scratch[w * R + r].x;
                b[r] += scratch[w * R + r].y;
            }
        }
    }
}

// The block's column sums: those of its groups' rows, in order.
__device__ __forceinline__ void writeSums(float *to, const float (&x)[N][V], float *shared) {
    const int lane = threadIdx.x % ROW_THREADS;
    float *own = ROWS == 1 ? to : shared + threadIdx.x / ROW_THREADS * R * C;
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int at = i * ROW_THREADS + lane;
        if (at < R * VECTORS) store<f32, V>(own + at * V, x[i]);
    }
    if (ROWS == 1) return;
    __syncthreads();
    for (int c = threadIdx.x; c < C; c += THREADS) {
        float sum = 0.0f;
        for (int r = 0; r < ROWS; r++) sum += shared[r * C + c];
        to[c] = sum;
    }
    __syncthreads();
}

// A block walks the rows blockIdx.x ROWS, + gridDim.x ROWS, ...; a thread owns the same columns of each turn, so that the
// order of every column sum depends on gridDim.x alone.
template <bool BIASES> __device__ __forceinline__ void backward(const ResidualLayerNormBackward &p) {
    __shared__ __align__(16) float shared[ROWS == 1 ? 4 * WARPS : ROWS * C];
    const int lane = threadIdx.x % ROW_THREADS;
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    float dWeight[N][V] = {}, dBias[N][V] = {}, dBranchBias[N][V] = {};
    Vectors weight;
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int at = i * ROW_THREADS + lane;
        if (at < R * VECTORS) fetch(weight, i, p.weight + at * V % C);
    }
    int parity = 0;
#pragma unroll 1
    for (i64 row0 = ((i64)blockIdx.x * GROUPS + threadIdx.x / ROW_THREADS) * R; row0 < p.rows;
         row0 += (i64)gridDim.x * ROWS, parity ^= 1) {
        const int end = vectorsFrom(row0, p.rows);
        Vectors x, dy, d;
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int at = i * ROW_THREADS + lane;
            const i64 e = row0 * C + at * V;
            if (at >= end) continue;
            fetch(x, i, p.x + e);
            fetch(dy, i, p.dy + e);
            if (p.accumulate) fetch(d, i, p.dResidual + e);
        }
        Kept kept;
        draw(kept, drop, (u64)(row0 * C + lane * V));
        float mean[R], rstd[R], meanG[R] = {}, meanGX[R] = {};
#pragma unroll
        for (int r = 0; r < R; r++) {
            mean[r] = p.mean[min(row0 + r, (i64)p.rows - 1)];
            rstd[r] = p.rstd[min(row0 + r, (i64)p.rows - 1)];
        }
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int at = i * ROW_THREADS + lane;
            if (at >= end) continue;
            const float scale = rowValue(rstd, i, at), shift = -rowValue(mean, i, at) * scale;
            float g = 0.0f, gx = 0.0f;
#pragma unroll
            for (int j = 0; j < V; j++) {
                const float y = toFloat(dy.values[i][j]), xhat = fmaf(toFloat(x.values[i][j]), scale, shift);
                dWeight[i][j] = fmaf(y, xhat, dWeight[i][j]);
                if (BIASES) dBias[i][j] += y;
                g = fmaf(y, toFloat(weight.values[i][j]), g);
                gx = fmaf(y * toFloat(weight.values[i][j]), xhat, gx);
            }
#pragma unroll
            for (int r = 0; r < R; r++) {
                meanG[r] += liesIn(i, at, r) ? g : 0.0f;
                meanGX[r] += liesIn(i, at, r) ? gx : 0.0f;
            }
        }
        groupSums(meanG, meanGX, reinterpret_cast<float2 *>(shared) + parity * WARPS * R);
        keepPacked(x);
        keepPacked(dy);
        keepPacked(weight);
#pragma unroll
        for (int r = 0; r < R; r++) {
            meanG[r] *= 1.0f / C;
            meanGX[r] *= 1.0f / C;
        }
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int at = i * ROW_THREADS + lane;
            const i64 e = row0 * C + at * V;
            if (at >= end) continue;
            const float scale = rowValue(rstd, i, at), shift = -rowValue(mean, i, at) * scale;
            const float g = rowValue(meanG, i, at), gx = rowValue(meanGX, i, at);
            float out[V];
#pragma unroll
            for (int j = 0; j < V; j++) {
                const float xhat = fmaf(toFloat(x.values[i][j]), scale, shift);
                const float slope = fmaf(toFloat(dy.values[i][j]), toFloat(weight.values[i][j]), -g) - xhat * gx;
                out[j] =
                    toFloat(fromFloat<Activation>(fmaf(scale, slope, p.accumulate ? toFloat(d.values[i][j]) : 0.0f)));
            }
            store<Activation, V>(p.dResidual + e, out);
#pragma unroll
            for (int j = 0; j < V; j++) out[j] = kept.at(i, j) ? out[j] * drop.keepScale : 0.0f;
            if (p.dBranch != nullptr) store<Activation, V>(p.dBranch + e, out);
            if (BIASES)
#pragma unroll
                for (int j = 0; j < V; j++) dBranchBias[i][j] += out[j];
        }
    }
    if (ROWS > 1 && WARPS > 1) __syncthreads();
    float *partial = p.partial + (i64)blockIdx.x * 3 * C;
    writeSums(partial, dWeight, shared);
    if (BIASES) {
        writeSums(partial + C, dBias, shared);
        writeSums(partial + 2 * C, dBranchBias, shared);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    residual_layernorm_backward(const ResidualLayerNormBackward p) {
    backward<false>(p);
}
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_BIASES)
    residual_layernorm_backward_biases(const ResidualLayerNormBackward p) {
    backward<true>(p);
}

extern "C" __global__ void __launch_bounds__(1024)
    residual_layernorm_reduce(float *dWeight, float *dBias, float *dBranchBias, const float *partial, int blocks) {
    float *to = blockIdx.y == 0 ? dWeight : blockIdx.y == 1 ? dBias : dBranchBias;
    if (to != nullptr) addColumnSums(to, partial + (i64)blockIdx.y * C, blocks, C, 3 * C);
}
