// fp8_tile.cuh: a tile of a matrix to FP8, beside its transpose, by a block of 256 threads. Rows and columns are multiples of 16.
#pragma once
#include "fp8.cuh"

constexpr int ROWS = 128, COLUMNS = 64, WARPS = 8, V = 8, R = 4; // a thread has R rows of V columns

// What is overwritten: values (rows, columns) and transposed (columns, rows), times scale; maximum is raised.
struct Fp8Tile {
    u8 *values, *transposed;
    float *maximum, scale;
    int rows, columns;
};

// Where the 4 rows from 4 `row4` on of a column of the tile lie: chunks of 16 rows turn with the columns, so that neither
// writing nor reading the tile meets a bank twice.
__device__ __forceinline__ int tileWord(int column, int row4) {
    return column * (ROWS / 4) + ((row4 / 4 + column / V) & 7) * 4 + row4 % 4;
}

// change(v, row, column) makes of V values of x (rows, columns) those that are rounded.
template <typename T, typename Change>
__device__ __forceinline__ void quantizeTile(
    const Fp8Tile &p, const Activation *x, int tileX, int tileY, const Change &change) {
    __shared__ __align__(16) u32 tile[COLUMNS * ROWS / 4];
    __shared__ float scratch[WARPS];
    const int tileColumn = threadIdx.x % 8 * V, row4 = threadIdx.x / 8;
    const int column = tileX * COLUMNS + tileColumn, row0 = tileY * ROWS;
    const bool inside = column < p.columns && row0 + row4 * R < p.rows;
    const i64 first = (i64)(row0 + row4 * R) * p.columns + column;
    float most = 0.0f;
    uint2 bytes[R] = {};
    if (inside) {
        float v[R][V];
#pragma unroll
        for (int r = 0; r < R; r++) load<Activation, V>(v[r], x + first + (i64)r * p.columns);
#pragma unroll
        for (int r = 0; r < R; r++) {
            change(v[r], row0 + row4 * R + r, column);
#pragma unroll
            for (int j = 0; j < V; j++) most = fmaxf(most, fabsf(v[r][j]));
            bytes[r] = packScaled<T>(v[r], p.scale);
            *reinterpret_cast<uint2 *>(p.values + first + (i64)r * p.columns) = bytes[r];
        }
    }
#pragma unroll
    for (int j = 0; j < V; j += 4) {
        u32 columns[4];
        if (j == 0) transpose(columns, bytes[0].x, bytes[1].x, bytes[2].x, bytes[3].x);
        else transpose(columns, bytes[0].y, bytes[1].y, bytes[2].y, bytes[3].y);
#pragma unroll
        for (int k = 0; k < 4; k++) tile[tileWord(tileColumn + j + k, row4)] = columns[k];
    }
    most = blockMax<WARPS>(most, scratch); // its barriers are the tile's, too
    if (threadIdx.x == 0) raiseMaximum(p.maximum, most);
#pragma unroll
    for (int i = 0; i < COLUMNS * ROWS / 16 / 256; i++) {
        const int chunk = threadIdx.x % 8, to = threadIdx.x / 8 + i * 32, row = row0 + chunk * 16;
        if (tileX * COLUMNS + to < p.columns && row < p.rows)
            *reinterpret_cast<uint4 *>(p.transposed + (i64)(tileX * COLUMNS + to) * p.rows + row) =
                *reinterpret_cast<const uint4 *>(tile + tileWord(to, chunk * 4));
    }
}
