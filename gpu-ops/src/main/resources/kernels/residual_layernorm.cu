// residual_layernorm.cu: residual + dropout(branch + branchBias), then layernorm, fused; and the gradient.
//
// forward   residualOut = residualIn + dropout(branch + branchBias)          (rows, C), overwritten
//           y = (residualOut - mean) rstd weight + bias                      (rows, C), overwritten
//           mean, rstd (rows) f32, overwritten; rstd = 1 / sqrt(variance + epsilon)
//           branch null: residualOut is not written, y is the layernorm of residualIn. branchBias, bias may be null.
//           y null: only the residual sum (no layernorm; mean and rstd are not written).
// backward  dResidual += (accumulate 0: =) gradient of the layernorm at x = residualOut by dy (rows, C), in place
//           dBranch = dropout mask * dResidual, written only where not null (else the caller aliases dResidual)
//           partial (gridDim.x, 3, C) f32, overwritten: each block's column sums of dy xhat and, by ..._backward_biases
//           alone, of dy and of dBranch
// reduce    dWeight += , dBias +=, dBranchBias += the partial sums, in order of the blocks; each may be null
//
// Statistics are taken of the rounded residualOut, which is what backward reads. Ba et al., arXiv:1607.06450.
//
// -D  ACTIVATION bf16 | fp16 | f32, CHANNELS
// residual_layernorm_forward                  grid (ceil(rows / ROWS))           block 128
// residual_layernorm_backward[_biases]        grid (any fixed number, e.g. 528; 396)  block 128; partial has gridDim.x slices
// residual_layernorm_reduce                   grid (ceil(C / 32), 3)             block (32, 32)
// ROWS (rows a forward block works on) is readable from the module as residual_layernorm_rows.
#include "common.cuh"

#ifndef CHANNELS
#define CHANNELS 768
#endif

constexpr int C = CHANNELS;
constexpr int V = vectorOf(C), VECTORS = C / V; // vectors a row
constexpr int THREADS = 128;
constexpr int ROW_THREADS = C <= 1024 ? 32 : 128;
constexpr int GROUPS = THREADS / ROW_THREADS, WARPS = ROW_THREADS / 32;

// Rows that a group of threads works on at once: as many as it takes to give each thread the same number of vectors.
__host__ __device__ constexpr int rowsAtOnce() {
    for (int rows = 1; rows <= 4; rows *= 2)
        if (rows * VECTORS % ROW_THREADS == 0 && rows * VECTORS <= 4 * ROW_THREADS) return rows;
    return 1;
}
constexpr int R = rowsAtOnce(), ROWS = GROUPS * R;
constexpr int N = (R * VECTORS + ROW_THREADS - 1) / ROW_THREADS; // vectors a thread, the i-th at i * ROW_THREADS + lane
extern "C" __device__ const int residual_layernorm_rows = ROWS;

// Vectors of the group's rows, the first of which is row.
__device__ __forceinline__ int vectorsFrom(i64 row, int rows) { return (int)min((i64)R, rows - row) * VECTORS; }
// Does thread vector i, the group's vector at, lie in row r of its rows?
__device__ __forceinline__ bool liesIn(int i, int at, int r) {
    const int first = i * ROW_THREADS / VECTORS, last = ((i + 1) * ROW_THREADS - 1) / VECTORS;
    if (R == 1 || first == last) return R == 1 || first == r;
    return at >= r * VECTORS && at < (r + 1) * VECTORS;
}
__device__ __forceinline__ float rowValue(const float (&values)[R], int i, int at) {
    float value = values[0];
#pragma unroll
    for (int r = 1; r < R; r++)
        if (liesIn(i, at, r)) value = values[r];
    return value;
}

// N vectors as they lie in memory, which at half precision takes half the registers.
struct Vectors {
    __align__(16) Activation values[N][V];
};
__device__ __forceinline__ void fetch(Vectors &to, int i, const Activation *from) {
    constexpr int BYTES = V * (int)sizeof(Activation), STEP = BYTES > 16 ? 16 : BYTES;
    typedef typename Word<STEP>::type W;
#pragma unroll
    for (int b = 0; b < BYTES / STEP; b++) reinterpret_cast<W *>(to.values[i])[b] = reinterpret_cast<const W *>(from)[b];
}

// Which of a thread's values dropout keeps: bit i V + j for value j of vector i. Drawn while the vectors are on their way.
struct Kept {
    u32 words[(N * V + 31) / 32];
    __device__ __forceinline__ bool at(int i, int j) const { return words[(i * V + j) / 32] >> ((i * V + j) % 32) & 1; }
};
__device__ __forceinline__ void draw(Kept &kept, const Dropout &drop, u64 first) {
#pragma unroll
    for (int w = 0; w < (N * V + 31) / 32; w++) kept.words[w] = drop.threshold == 0 ? ~0u : 0;
    if (drop.threshold == 0) return;
#pragma unroll(N *V <= 32 ? 1 : N)
    for (int i = 0; i < N; i++) {
        const u64 e = first + (u64)i * ROW_THREADS * V;
        const uint4 draw = philox(drop.seed, e >> 3, drop.site, drop.stream);
#pragma unroll
        for (int j = 0; j < V; j++)
            if (decision(draw, (int)(e & 7) + j) >= drop.threshold) kept.words[(i * V + j) / 32] |= 1u << ((i * V + j) % 32);
    }
}

#define RESIDUAL_LAYERNORM(FIELD) \
    FIELD(Activation *, residualOut) \
    FIELD(Activation *, y) \
    FIELD(float *, mean) \
    FIELD(float *, rstd) \
    FIELD(const Activation *, residualIn) \
    FIELD(const Activation *, branch) \
    FIELD(const Activation *, branchBias) \
    FIELD(const Activation *, weight) \
    FIELD(const Activation *, bias) \
    FIELD(const StepState *, state) \
    FIELD(int, rows) \
    FIELD(float, epsilon) \
    FIELD(u32, threshold) \
    FIELD(u32, site)
HOST_STRUCT(ResidualLayerNorm, RESIDUAL_LAYERNORM)

extern "C" __global__ void __launch_bounds__(THREADS) residual_layernorm_forward(const ResidualLayerNorm p) {
    __shared__ float scratch[4];
    const int lane = threadIdx.x % ROW_THREADS;
    const i64 row0 = ((i64)blockIdx.x * GROUPS + threadIdx.x / ROW_THREADS) * R;
    if (row0 >= p.rows) return; // a whole group
    const int end = vectorsFrom(row0, p.rows);
    const Dropout drop = dropoutOf(p.state, p.threshold, p.site);
    Vectors residual, branch;
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int at = i * ROW_THREADS + lane;
        if (at >= end) continue;
        fetch(residual, i, p.residualIn + row0 * C + at * V);
        if (p.branch != nullptr) fetch(branch, i, p.branch + row0 * C + at * V);
    }
    Kept kept;
    draw(kept, drop, (u64)(row0 * C + lane * V));
    float x[N][V], sum[R] = {}, squares[R] = {}, mean[R], rstd[R];
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int at = i * ROW_THREADS + lane;
        if (at >= end) continue;
#pragma unroll
        for (int j = 0; j < V; j++) x[i][j] = toFloat(residual.values[i][j]);
        if (p.branch != nullptr) {
            float bias[V] = {};
            if (p.branchBias != nullptr) load<Activation, V>(bias, p.branchBias + at * V % C);
#pragma unroll
            for (int j = 0; j < V; j++) {
                const float y = toFloat(branch.values[i][j]) + bias[j];
                x[i][j] = toFloat(fromFloat<Activation>(x[i][j] + (kept.at(i, j) ? y * drop.keepScale : 0.0f)));
            }
            store<Activation, V>(p.residualOut + row0 * C + at * V, x[i]);
        }
        float own = 0.0f;
#pragma unroll
        for (int j = 0; j < V; j++) own += x[i][j];
#pragma unroll
        for (int r = 0; r < R; r++) sum[r] += liesIn(i, at, r) ? own : 0.0f;
    }
    if (p.y == nullptr) return;
#pragma unroll
    for (int r = 0; r < R; r++) mean[r] = blockSum<WARPS>(sum[r], scratch) * (1.0f / C);
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int at = i * ROW_THREADS + lane;
        if (at >= end) continue;
        const float m = rowValue(mean, i, at);
        float own = 0.0f;
#pragma unroll
        for (int j = 0; j < V; j++) own = fmaf(x[i][j] - m, x[i][j] - m, own);
#pragma unroll
        for (int r = 0; r < R; r++) squares[r] += liesIn(i, at, r) ? own : 0.0f;
    }
#pragma unroll
    for (int r = 0; r < R; r++) {
        rstd[r] = rsqrtf(blockSum<WARPS>(squares[r], scratch) * (1.0f / C) + p.epsilon);
        if (lane == 0 && row0 + r < p.rows) {
            p.mean[row0 + r] = mean[r];
            p.rstd[row0 + r] = rstd[r];
        }
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int at = i * ROW_THREADS + lane, c = at * V % C;
        if (at >= end) continue;
        const float m = rowValue(mean, i, at), scale = rowValue(rstd, i, at);
        float weight[V], bias[V];
        load<Activation, V>(weight, p.weight + c);
        if (p.bias != nullptr) load<Activation, V>(bias, p.bias + c);
#pragma unroll
        for (int j = 0; j < V; j++) x[i][j] = fmaf((x[i][j] - m) * scale, weight[j], p.bias != nullptr ? bias[j] : 0.0f);
        store<Activation, V>(p.y + row0 * C + at * V, x[i]);
    }
}

#define RESIDUAL_LAYERNORM_BACKWARD(FIELD) \
    FIELD(Activation *, dResidual) \
    FIELD(Activation *, dBranch) \
    FIELD(float *, partial) \
    FIELD(const Activation *, dy) \
    FIELD(const Activation *, x) \
    FIELD(const Activation *, weight) \
    FIELD(const float *, mean) \
    FIELD(const float *, rstd) \
    FIELD(const StepState *, state) \
    FIELD(int, rows) \
    FIELD(u32, threshold) \
    FIELD(u32, site) \
    FIELD(u32, accumulate)
HOST_STRUCT(ResidualLayerNormBackward, RESIDUAL_LAYERNORM_BACKWARD)

// Keeps the compiler from computing across this point with floats that it could make of the vectors again.
__device__ __forceinline__ void keepPacked(Vectors &x) {
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
        for (int b = 0; b < V * (int)sizeof(Activation) / 4; b++) asm volatile("" : "+r"(reinterpret_cast<u32 *>(x.values[i])[b]));
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
    for (i64 row0 = ((i64)blockIdx.x * GROUPS + threadIdx.x / ROW_THREADS) * R; row0 < p.rows; row0 += (i64)gridDim.x * ROWS, parity ^= 1) {
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
                out[j] = toFloat(fromFloat<Activation>(fmaf(scale, slope, p.accumulate ? toFloat(d.values[i][j]) : 0.0f)));
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

extern "C" __global__ void __launch_bounds__(THREADS, C <= 768 ? 4 : 2) residual_layernorm_backward(const ResidualLayerNormBackward p) {
    backward<false>(p);
}
extern "C" __global__ void __launch_bounds__(THREADS, C <= 768 ? 3 : 2) residual_layernorm_backward_biases(const ResidualLayerNormBackward p) {
    backward<true>(p);
}

extern "C" __global__ void __launch_bounds__(1024)
residual_layernorm_reduce(float *dWeight, float *dBias, float *dBranchBias, const float *partial, int blocks) {
    __shared__ float shared[32][33];
    float *to = blockIdx.y == 0 ? dWeight : blockIdx.y == 1 ? dBias : dBranchBias;
    if (to == nullptr) return;
    const int c = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.0f;
    if (c < C)
#pragma unroll 8
        for (int b = threadIdx.y; b < blocks; b += 32) sum += partial[((i64)b * 3 + blockIdx.y) * C + c];
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < C) {
        float total = 0.0f;
        for (int i = 0; i < 32; i++) total += shared[i][threadIdx.x];
        to[c] += total;
    }
}
