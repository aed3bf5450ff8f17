// residual_layernorm_forward.cuh: the rows of residual_layernorm_forward.cu and fp8_layernorm_hopper.cu.
#pragma once
#include "residual_layernorm.cuh"

#define RESIDUAL_LAYERNORM(FIELD)         \
    FIELD(Activation *, residualOut)      \
    FIELD(float *, mean)                  \
    FIELD(float *, rstd)                  \
    FIELD(const Activation *, residualIn) \
    FIELD(const Activation *, branch)     \
    FIELD(const Activation *, branchBias) \
    FIELD(const Activation *, weight)     \
    FIELD(const Activation *, bias)       \
    FIELD(const StepState *, state)       \
    FIELD(int, rows)                      \
    FIELD(float, epsilon)                 \
    FIELD(u32, threshold)                 \
    FIELD(u32, site)

// The sum and its layernorm of a group's R rows from row0 on. write(e, y) takes V values of the layernorm, y[V], the first of
// which is element e of the group's rows; without normalize there is none.
template <typename P, typename Write>
__device__ __forceinline__ void normalizeRows(
    const P &p, i64 row0, bool normalize, float *scratch, const Write &write) {
    const int lane = threadIdx.x % ROW_THREADS;
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
    if (!normalize) return;
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
        for (int j = 0; j < V; j++)
            x[i][j] = fmaf((x[i][j] - m) * scale, weight[j], p.bias != nullptr ? bias[j] : 0.0f);
        write(at * V, x[i]);
    }
}
