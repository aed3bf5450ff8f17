// residual_layernorm_forward.cu: residual + dropout(branch + branchBias), then layernorm, fused.
//
//   residualOut = residualIn + dropout(branch + branchBias)          (rows, C), overwritten
//   y = (residualOut - mean) rstd weight + bias                      (rows, C), overwritten
//   mean, rstd (rows) f32, overwritten; rstd = 1 / sqrt(variance + epsilon)
//   branch null: residualOut is not written, y is the layernorm of residualIn. branchBias, bias may be null.
//   y null: only the residual sum (no layernorm; mean and rstd are not written).
// residual_layernorm_forward   grid (ceil(rows / ROWS))   block THREADS
// Readable from the module: ROWS (rows a block works on) as residual_layernorm_rows, THREADS as residual_layernorm_threads.
#include "residual_layernorm_forward.cuh"

extern "C" __device__ const int residual_layernorm_rows = ROWS;

#define RESIDUAL_LAYERNORM_FORWARD(FIELD) RESIDUAL_LAYERNORM(FIELD) FIELD(Activation *, y)
HOST_STRUCT(ResidualLayerNorm, RESIDUAL_LAYERNORM_FORWARD)

extern "C" __global__ void __launch_bounds__(THREADS) residual_layernorm_forward(const ResidualLayerNorm p) {
    __shared__ float scratch[WARPS];
    const i64 row0 = ((i64)blockIdx.x * GROUPS + threadIdx.x / ROW_THREADS) * R;
    if (row0 >= p.rows) return; // a whole group
    normalizeRows(p, row0, p.y != nullptr, scratch,
        [&](int e, const float(&y)[V]) { store<Activation, V>(p.y + row0 * C + e, y); });
}
