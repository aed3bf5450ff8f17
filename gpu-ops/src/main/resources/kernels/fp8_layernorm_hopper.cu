// fp8_layernorm_hopper.cu: residual_layernorm_forward.cu with y in FP8 alone, beside its transpose, as the products that follow
// need it. Micikevicius et al., arXiv:2209.05433.
//
//   values (rows, C), transposed (C, rows) of e4m3, overwritten: y scale
//   scale (1) f32, read; maximum (1) f32 = max(maximum, |y|)
// -D  ACTIVATION, CHANNELS; rows and CHANNELS are multiples of 16
// fp8_layernorm   grid (ceil(rows / 32))   block fp8_layernorm_threads   shared fp8_layernorm_shared
// On other architectures this file is empty.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "fp8.cuh"
#include "residual_layernorm_forward.cuh"

#define FP8_LAYERNORM(FIELD)    \
    RESIDUAL_LAYERNORM(FIELD)   \
    FIELD(u8 *, values)         \
    FIELD(u8 *, transposed)     \
    FIELD(const float *, scale) \
    FIELD(float *, maximum)
HOST_STRUCT(Fp8LayerNorm, FP8_LAYERNORM)

// Rows of a block are a word longer in shared memory than in device memory: then 16 of them apart is another half of the banks.
constexpr int BLOCK_ROWS = 32, HALF_ROWS = 16, PITCH = C / 4 + 1;
static_assert(HALF_ROWS % ROWS == 0, "a turn is within the rows or beyond them");
extern "C" __device__ const int fp8_layernorm_shared = BLOCK_ROWS * PITCH * 4;
extern "C" __device__ const int fp8_layernorm_threads = THREADS;

// The block's rows, transposed: a thread has 4 columns of 16 rows, beside the one that has the other 16.
__device__ __forceinline__ void writeTransposed(const Fp8LayerNorm &p, i64 row0, const u32 *tile) {
    const int half = (threadIdx.x >> 4) & 1, first = threadIdx.x / 32 * 16 + (threadIdx.x & 15);
    if (row0 + half * HALF_ROWS >= p.rows) return;
#pragma unroll 1
    for (int four = first; four < C / 4; four += THREADS / 2) {
        const u32 *from = tile + half * HALF_ROWS * PITCH + four;
        u32 columns[4][4]; // of 4 rows each
#pragma unroll
        for (int g = 0; g < 4; g++) {
            u32 words[4];
            const u32 *rows = from + 4 * g * PITCH;
            transpose(words, rows[0], rows[PITCH], rows[2 * PITCH], rows[3 * PITCH]);
#pragma unroll
            for (int k = 0; k < 4; k++) columns[k][g] = words[k];
        }
#pragma unroll
        for (int k = 0; k < 4; k++)
            *reinterpret_cast<uint4 *>(p.transposed + (i64)(4 * four + k) * p.rows + row0 + half * HALF_ROWS) =
                make_uint4(columns[k][0], columns[k][1], columns[k][2], columns[k][3]);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) fp8_layernorm(const Fp8LayerNorm p) {
    extern __shared__ __align__(16) u32 tile[];
    __shared__ float scratch[THREADS / 32];
    const i64 block0 = (i64)blockIdx.x * BLOCK_ROWS;
    const float scale = *p.scale;
    float most = 0.0f;
#pragma unroll 1
    for (int turn = 0; turn < BLOCK_ROWS && block0 + turn < p.rows; turn += ROWS) {
        const int first = turn + threadIdx.x / ROW_THREADS * R;
        normalizeRows(p, block0 + first, true, scratch, [&](int e, const float(&y)[V]) {
#pragma unroll
            for (int j = 0; j < V; j++) most = fmaxf(most, fabsf(y[j]));
            const uint2 bytes = packScaled<e4m3>(y, scale);
            *reinterpret_cast<uint2 *>(p.values + (block0 + first) * C + e) = bytes;
            u32 *to = tile + (first + e / C) * PITCH + e % C / 4;
            to[0] = bytes.x;
            to[1] = bytes.y;
        });
    }
    most = blockMax<THREADS / 32>(most, scratch); // its barriers are the tile's, too
    if (threadIdx.x == 0) raiseMaximum(p.maximum, most);
    writeTransposed(p, block0, tile);
}
#endif
