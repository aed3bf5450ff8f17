// adamw.cu: one AdamW step over a flat range of parameters. Loshchilov and Hutter, arXiv:1711.05101.
//
//   g = gradient * clipScale;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//   master -= lr * (weightDecay * master + (m / beta1Correction) / (sqrt(v / beta2Correction) + epsilon))
//   master (count) f32, m, v (count) of type MOMENT: updated in place; gradient (count) of type GRADIENT: read; working (count)
//   activation type: overwritten with the rounded master, or null. lr, corrections and clipScale come from StepState.
// Elements from `decaying` on do not decay: weightDecay is 0 there.
// Moments in bf16 are rounded at random: to the bits of the f32 value 16 random ones are added, and the lower half is cut
// off. Those of weight e are word e % 4 of philox, low half for m, high half for v; key seed, counter (e / 4, SITE, step);
// e counts from `first`, a multiple of 4. Gupta et al., arXiv:1502.02551. The CPU draws the same bits.
// A gradient norm that is not finite leaves everything as it was: the trainer stops at the last good state.
// -D  ACTIVATION; MOMENT, GRADIENT f32 | bf16
// adamw   grid (ceil(count / 1024))   block 256; pointers aligned to 16 bytes (working: 4 elements)
#include "common.cuh"

#ifndef MOMENT
#define MOMENT f32
#endif
#ifndef GRADIENT
#define GRADIENT f32
#endif
typedef MOMENT Moment;
typedef GRADIENT Gradient;
constexpr u32 SITE = 0xffffffffu; // no dropout has it

#define ADAM_W(FIELD)                 \
    FIELD(float *, master)            \
    FIELD(Moment *, m)                \
    FIELD(Moment *, v)                \
    FIELD(Activation *, working)      \
    FIELD(const Gradient *, gradient) \
    FIELD(const StepState *, state)   \
    FIELD(i64, count)                 \
    FIELD(i64, decaying)              \
    FIELD(i64, first)                 \
    FIELD(float, beta1)               \
    FIELD(float, beta2)               \
    FIELD(float, epsilon)             \
    FIELD(float, weightDecay)
HOST_STRUCT(AdamW, ADAM_W)

// The moments as they are stored, of 4 weights from `weight` on, a multiple of 4.
__device__ __forceinline__ void roundMoments(float (&m)[4], float (&v)[4], i64 weight, const StepState &s) {
    if (sizeof(Moment) == 4) return;
    const uint4 draw = philox(s.seed, (u64)weight >> 2, SITE, (u32)s.step);
    const u32 words[4] = {draw.x, draw.y, draw.z, draw.w};
#pragma unroll
    for (int j = 0; j < 4; j++) {
        m[j] = roundAtRandom(m[j], words[j] & 0xffffu);
        v[j] = roundAtRandom(v[j], words[j] >> 16);
    }
}

extern "C" __global__ void __launch_bounds__(256) adamw(const AdamW p) {
    const StepState s = *p.state;
    if (!(fabsf(s.gradNorm) < INFINITY_F)) return;
    const i64 e = ((i64)blockIdx.x * 256 + threadIdx.x) * 4;
    const float rate1 = 1.0f / s.beta1Correction, rate2 = 1.0f / s.beta2Correction;
    const int n = (int)min((i64)4, p.count - e);
    if (n <= 0) return;
    float w[4], m[4], v[4], g[4];
    if (n == 4) {
        load<float, 4>(w, p.master + e);
        load<Moment, 4>(m, p.m + e);
        load<Moment, 4>(v, p.v + e);
        load<Gradient, 4>(g, p.gradient + e);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const i64 at = e + min(j, n - 1);
            w[j] = p.master[at];
            m[j] = toFloat(p.m[at]);
            v[j] = toFloat(p.v[at]);
            g[j] = toFloat(p.gradient[at]);
        }
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const float d = g[j] * s.clipScale;
        m[j] = fmaf(1.0f - p.beta1, d - m[j], m[j]);
        v[j] = fmaf(1.0f - p.beta2, d * d - v[j], v[j]);
        const float weightDecay = e + j < p.decaying ? p.weightDecay : 0.0f;
        w[j] -= s.lr * (weightDecay * w[j] + m[j] * rate1 / (sqrtf(v[j] * rate2) + p.epsilon));
    }
    roundMoments(m, v, p.first + e, s);
    if (n == 4) {
        store<float, 4>(p.master + e, w);
        store<Moment, 4>(p.m + e, m);
        store<Moment, 4>(p.v + e, v);
        if (p.working != nullptr) store<Activation, 4>(p.working + e, w);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (j < n) {
                p.master[e + j] = w[j];
                p.m[e + j] = fromFloat<Moment>(m[j]);
                p.v[e + j] = fromFloat<Moment>(v[j]);
                if (p.working != nullptr) p.working[e + j] = fromFloat<Activation>(w[j]);
            }
    }
}
