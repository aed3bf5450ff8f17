// flash_attention.cuh: what the flash kernels share. o = dropout(softmax(scale q k^T + causal)) v and its gradient, without
// the (Tq, Tk) matrix in memory. Files: flash_{forward|backward}.cu through mma.sync (sm_80 and later), flash_{forward|backward}_hopper.cu
// (head dimension 32, 64), _hopper_128.cu (128) and flash_backward_hopper_long.cu (32, 64, long sequences) through wgmma
// (sm_90a); same kernels, arguments and results but for rounding, grids and workspaces.
// FlashAttention-2, arXiv:2307.08691, Alg. 1 and 2.
//
//   q, o, dO, dq  (B, H, Tq, D)   k, v, dk, dv  (B, H, Tk, D)   bf16 or fp16, addressed by element strides
//                 (batch, head, row), last dimension contiguous, so that all of them may be views of one
//                 (B, T, 3, H, D) buffer. Strides are multiples of 8 elements, of rows below 2^31; pointers of 16 bytes.
//   lse           f32, natural log; element (b, h, row) at b * lse.batch + h * lse.head + row
//   stats         float2 workspace (H, statsRows) of the backward pass: {lse log2(e), rowsum(dO o)}; a sequence
//                 has its rows from statsStart(b), padded to 128
//   partial       f32 workspace (splits, H, statsRows, TILE_DEPTH) of the backward pass, also with one split, but not
//                 of flash_backward_hopper.cu; statsRows = B * roundUp(Tq, 128), packed: roundUp(total + 128 B, 128). With
//                 turns: splits = 1, and behind it i32 (H, statsRows / BACKWARD_M) and (B, H), which
//                 flash_attention_backward_rows_sum sets to 0
//   kept          u32 (H, statsRows, ceil(Tk / 64), 2): a bit a score that dropout keeps, which flash_forward_hopper.cu
//                 writes, unless null, and flash_backward_hopper{,_long}.cu read (flash_dropout.cuh)
// Overwritten: o, lse, kept; dq, dk, dv. Nothing is accumulated across calls.
// causal is aligned bottom right: column c is seen by row r iff c <= r + Tk - Tq. A row that sees nothing
// gives o = 0, lse = +inf and zero gradients. Nothing past row Tq or Tk is read.
// Packed sequences: cuQ, cuK (B + 1) i32 cumulative lengths, B sequences, batch strides unused (also lse.batch: row
// cu[b] + row), queryLength and keyLength the longest. cuQ null: dense.
// Dropout of the probabilities: attention.cuh.
//
// Deterministic. In flash_backward_hopper.cu no sum crosses thread blocks, else only dq: a block walks the key tiles split,
// split + splits, ... of one head in order and adds each dq tile into its own partial buffer, every element always by the
// same thread; with one split the last key tile of a row tile also scales and writes dq, else
// flash_attention_backward_sum adds the splits in order. With turns (flash_backward_hopper_{128,long}.cu) a block has one key
// tile at a time; the tiles of a head add to one buffer one after the other, in order, and flash_attention_backward_sum, or
// in the persistent flash_backward_hopper_long.cu the tile that comes last, scales and writes it.
//
// -D  ACTIVATION bf16 | fp16, HEAD_DIM 32 | 64 | 128, through mma.sync also 80 | 96 | 256, CAUSAL 0 | 1, DROPOUT 0 | 1
// flash_attention_forward           grid (ceil(Tq / FORWARD_M), H, B)  block FORWARD_THREADS
// flash_attention_backward_rows_sum grid (statsTiles, H, B), statsTiles = ceil(Tq / 128)   block 256
// flash_attention_backward          grid (splits, H, B), with turns (ceil(Tk / BACKWARD_N), H, B)   block BACKWARD_THREADS
//                                   HEAD_DIM 256: (2 splits, H, B), for a block has half of the gradients' columns
//                                   flash_backward_hopper.cu: (ceil(Tk / 64) + ceil(Tq / 64), H, B)
//                                   persistent: a block a multiprocessor, or fewer if there are fewer key tiles
// flash_attention_backward_sum      grid (ceil(Tq / BACKWARD_M), H, B)   block 256   only if splits > 1 or with turns, and
//                                   not if persistent
// Dynamic shared memory: the constants FORWARD_SHARED and BACKWARD_SHARED, readable from the module
// as the globals flash_attention_forward_shared, _forward_rows, _forward_threads, _backward_shared, _backward_keys,
// _backward_threads, and but for flash_backward_hopper.cu _backward_rows, _backward_turns (1: with turns) and
// _backward_persistent (1: blocks take the key tiles of all heads until none is left).
#pragma once
#include "attention.cuh"

#ifndef HEAD_DIM
#define HEAD_DIM 64
#endif
#ifndef CAUSAL
#define CAUSAL 1
#endif
#ifndef DROPOUT
#define DROPOUT 0
#endif

#define FLASH_ATTENTION(FIELD)      \
    ATTENTION_TENSORS(FIELD)        \
    FIELD(float2 *, stats)          \
    FIELD(float *, partial)         \
    FIELD(u32 *, kept)              \
    FIELD(const int *, cuQ)         \
    FIELD(const int *, cuK)         \
    FIELD(const StepState *, state) \
    ATTENTION_STRIDES(FIELD)        \
    FIELD(Strides, lseAt)           \
    ATTENTION_SIZES(FIELD)          \
    FIELD(int, statsRows)           \
    FIELD(int, splits)              \
    ATTENTION_SCALE(FIELD)
HOST_STRUCT(FlashAttention, FLASH_ATTENTION)

constexpr int D = HEAD_DIM;
// Columns of a tile in shared memory; what lies past D is never loaded, and reaches no result.
constexpr int TILE_DEPTH = D <= 64 ? D : (D <= 128 ? 128 : 256);
constexpr int CHUNKS = TILE_DEPTH / 8;
// dq's columns that one block sums, and how many blocks share its columns.
constexpr int SUM_DEPTH = TILE_DEPTH > 128 ? 128 : TILE_DEPTH, COLUMN_BLOCKS = TILE_DEPTH / SUM_DEPTH;

// One head of one sequence: lengths and the first row of each tensor.
struct Sequence {
    int queries, keys, offset; // offset = Tk - Tq
    i64 queryStart, keyStart;  // rows, packed only
};

__device__ __forceinline__ Sequence sequenceOf(const FlashAttention &p, int b) {
    Sequence s;
    if (p.cuQ == nullptr) {
        s.queries = p.queryLength;
        s.keys = p.keyLength;
        s.queryStart = s.keyStart = 0;
    } else {
        s.queryStart = p.cuQ[b];
        s.keyStart = p.cuK[b];
        s.queries = p.cuQ[b + 1] - p.cuQ[b];
        s.keys = p.cuK[b + 1] - p.cuK[b];
    }
    s.offset = s.keys - s.queries;
    return s;
}

template <typename T>
__device__ __forceinline__ T *headOf(T *base, const Strides &at, const FlashAttention &p, int b, int h, i64 start) {
    return base + (p.cuQ == nullptr ? b * at.batch : start * at.row) + h * at.head;
}

__device__ __forceinline__ i64 lseOf(const FlashAttention &p, int b, int h, const Sequence &s) {
    return (p.cuQ == nullptr ? b * p.lseAt.batch : s.queryStart) + h * p.lseAt.head;
}

__device__ __forceinline__ i64 statsStart(const FlashAttention &p, int b, const Sequence &s) {
    return p.cuQ == nullptr ? (i64)b * ((p.queryLength + 127) / 128 * 128) : (s.queryStart + 128 * (i64)b) / 128 * 128;
}

// A tile of ROWS rows, first row `row`, of which rows at `rows` and beyond become zeros.
template <int ROWS, int THREADS>
__device__ __forceinline__ void loadTile(u32 to, const Activation *from, i64 stride, int row, int rows) {
    constexpr int PER = THREADS / CHUNKS;
    const int chunk = threadIdx.x % CHUNKS, first = threadIdx.x / CHUNKS;
    if (D < TILE_DEPTH && chunk >= D / 8) return;
    const u8 *column = reinterpret_cast<const u8 *>(from + chunk * 8);
    const u32 rowBytes = (u32)stride * 2;
#pragma unroll
    for (int i = 0; i < ROWS; i += PER) {
        const int r = row + first + i;
        if (ROWS % PER == 0 || first + i < ROWS)
            copyAsync16(to + tileOffset<TILE_DEPTH>(first + i, chunk), column + (u64)(u32)min(r, rows - 1) * rowBytes,
                r < rows);
    }
}

// The same for D 128 in two panels of 64 columns, ROWS rows each; by THREADS threads that follow one another.
template <int ROWS, int THREADS>
__device__ __forceinline__ void loadPanels(u32 to, const Activation *from, i64 stride, int row, int rows) {
    constexpr int PER = THREADS / CHUNKS;
    const int chunk = threadIdx.x % CHUNKS, first = threadIdx.x % THREADS / CHUNKS;
    static_assert(ROWS % PER == 0 && (PER % 8 == 0 || PER == 4), "whole or half groups of 8 rows");
    to += chunk / 8 * (ROWS * 128) + tileOffset<64>(first, chunk % 8);
    row += first;
    const Activation *at = from + (i64)row * stride + chunk * 8;
#pragma unroll
    for (int i = 0; i < ROWS; i += PER) {
        copyAsync16((to + i * 128) ^ (i % 8 * 16), row + i < rows ? at : from, row + i < rows);
        at += PER * stride;
    }
}
