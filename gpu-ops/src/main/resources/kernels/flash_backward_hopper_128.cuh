// flash_backward_hopper_128.cuh: the parts of a turn of flash_backward_hopper_128.cu: its barriers, its products, and how a
// warpgroup packs, stages and writes their results (sm_90a only). The including file defines the shape of its tiles and has
// included flash_backward.cuh.
#pragma once

// The barriers of a stage, between those who fill it and those who empty it.
struct Barriers {
    u32 at;
    __device__ __forceinline__ u32 rowsFull(int stage) const { return at + stage * 48; }
    __device__ __forceinline__ u32 rowsEmpty(int stage) const { return at + stage * 48 + 8; }
    __device__ __forceinline__ u32 dsFull(int stage) const { return at + stage * 48 + 16; }
    __device__ __forceinline__ u32 dsEmpty(int stage) const { return at + stage * 48 + 24; }
    __device__ __forceinline__ u32 dqFull(int stage) const { return at + stage * 48 + 32; }
    __device__ __forceinline__ u32 dqEmpty(int stage) const { return at + stage * 48 + 40; }
};

// s (64 keys x BM rows) = keys rows^T.
__device__ __forceinline__ void transposedScores(float (&s)[CT][4], u32 keys, u32 rows) {
    const u64 a = operandAt<128>(keys), b = operandAt<128>(rows);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < D / 16; kk++)
        multiplyShared<Activation, 0, 0>(s, alongPanels<KEYS_PANEL>(a, kk), alongPanels<ROWS_PANEL>(b, kk), kk > 0);
    wgmmaCommit();
}

// acc (64 keys x D) += x rows, x (64 keys x BM rows) in registers.
__device__ __forceinline__ void accumulate(float (&acc)[D / 8][4], const u32 (&x)[CT][2], u32 rows, int keep) {
    const u64 b = panelsAt<ROWS_PANEL>(rows);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < BM / 16; kk++)
        multiplyRegisters<Activation, 1>(acc, x[kk * 2][0], x[kk * 2][1], x[kk * 2 + 1][0], x[kk * 2 + 1][1],
            alongTransposed<128>(b, kk), kk > 0 ? 1 : keep);
    wgmmaCommit();
}

// dq (BM rows x 64 columns) = ds k over the BN keys of the tile; columns: their panel of k.
__device__ __forceinline__ void queryGradient(float (&dq)[DT][4], u32 ds, u32 columns) {
    const u64 a = operandAt<128>(ds), b = operandAt<128>(columns);
    wgmmaFence();
#pragma unroll
    for (int kk = 0; kk < BN / 16; kk++)
        multiplyShared<Activation, 1, 1>(dq, alongTransposed<128>(a, kk), alongTransposed<128>(b, kk), kk > 0);
    wgmmaCommit();
}

__device__ __forceinline__ void packTile(u32 (&to)[CT][2], const float (&x)[CT][4]) {
#pragma unroll
    for (int ct = 0; ct < CT; ct++)
#pragma unroll
        for (int half = 0; half < 2; half++) to[ct][half] = pack<Activation>(x[ct][half * 2], x[ct][half * 2 + 1]);
}

// ds = p (dp - delta), packed.
__device__ __forceinline__ void scoreGradient(
    u32 (&ds)[CT][2], const float (&p)[CT][4], const float (&dp)[CT][4], const float4 *stats) {
#pragma unroll
    for (int ct = 0; ct < CT; ct++) {
        const float4 st = stats[ct * 4 + (threadIdx.x & 3)];
        float x[4];
#pragma unroll
        for (int e = 0; e < 4; e++) x[e] = p[ct][e] * (dp[ct][e] - ((e & 1) ? st.w : st.y));
        ds[ct][0] = pack<Activation>(x[0], x[1]);
        ds[ct][1] = pack<Activation>(x[2], x[3]);
    }
}

// ds^T to shared memory: (keys, BM rows), 128 bytes a key.
__device__ __forceinline__ void storeScoreGradient(u32 to, const u32 (&ds)[CT][2], int warpKey) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int ct = 0; ct < CT; ct += 2)
        storeMatrix(to + tileOffset<64>(warpKey + (lane & 15), ct + (lane >> 4)), ds[ct][0], ds[ct][1], ds[ct + 1][0],
            ds[ct + 1][1]);
}

__device__ __forceinline__ void writeKeyGradient(
    Activation *to, i64 stride, const float (&x)[D / 8][4], int key, int keys, float factor) {
    const int t = threadIdx.x & 3;
#pragma unroll
    for (int dt = 0; dt < D / 8; dt++)
#pragma unroll
        for (int half = 0; half < 2; half++)
            if (key + half * 8 < keys)
                *reinterpret_cast<u32 *>(to + (key + half * 8) * stride + dt * 8 + t * 2) =
                    pack<Activation>(x[dt][half * 2] * factor, x[dt][half * 2 + 1] * factor);
}

// dq fragments of a warp to a stage, as they lie in the sums.
__device__ __forceinline__ void stageQueryGradient(u8 *stage, const float (&dq)[DT][4]) {
    float4 *to = reinterpret_cast<float4 *>(stage) + fragmentAt(threadIdx.x >> 5, 0, threadIdx.x & 31) / 4;
#pragma unroll
    for (int f = 0; f < DT; f++) to[f * 32] = make_float4(dq[f][0], dq[f][1], dq[f][2], dq[f][3]);
}

// No row sees the keys of this tile: dk = dv = 0.
__device__ __forceinline__ void clearKeyGradients(const FlashAttention &p, const Head &head, int key0) {
    Activation *dk = ownHead(p, p.dk, p.dkAt, p.cuK), *dv = ownHead(p, p.dv, p.dvAt, p.cuK);
    for (int i = threadIdx.x; i < min(BN, head.seq.keys - key0) * CHUNKS; i += BACKWARD_THREADS) {
        const i64 key = key0 + i / CHUNKS;
        *reinterpret_cast<uint4 *>(dk + key * p.dkAt.row + i % CHUNKS * 8) = make_uint4(0, 0, 0, 0);
        *reinterpret_cast<uint4 *>(dv + key * p.dvAt.row + i % CHUNKS * 8) = make_uint4(0, 0, 0, 0);
    }
}
