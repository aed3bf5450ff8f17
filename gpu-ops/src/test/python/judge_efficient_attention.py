"""Judges efficient_forward.cu, efficient_backward.cu and attention_math.cu against float64 and times them beside PyTorch.

usage: judge_efficient_attention.py CUBIN_DIR
cubins: efficient_{forward|backward}.{bf16|fp16|f32}.d{D}.v{Dv}.c{CAUSAL}.r{DROPOUT}.m{MASK}.s{STRICT}.cubin,
        attention_math.{bf16|f32}.c{CAUSAL}.m{MASK}.cubin"""
import os
import struct
import sys

import torch
import torch.nn.functional as F

from attention_peers import torch_micros
from kernel_driver import Module, Report, attention_factor, micros, pointer, relative, step_state

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "f32": torch.float32}
report = Report()


def strides(x):
    return (0, 0, 0) if x is None else (x.stride(0), x.stride(1), x.stride(2))


def mask_strides(mask, shape):
    if mask is None:
        return (0, 0, 0, 0)
    return tuple(0 if m == 1 and s != 1 else st for m, s, st in zip(mask.shape, shape, mask.stride()))


def modules(directory, dtype, d, dv, causal, dropout, kind, strict):
    """(forward, backward)"""
    stem = f"{dtype}.d{d}.v{dv}.c{causal}.r{dropout}.m{kind}.s{strict}"
    return tuple(Module(os.path.join(directory, f"efficient_{way}.{stem}.cubin")) for way in ("forward", "backward"))


class Efficient:
    def __init__(self, mods, q, k, v, mask=None, threshold=0, site=7):
        self.mods, self.q, self.k, self.v, self.mask, self.threshold, self.site = mods, q, k, v, mask, threshold, site
        self.b, self.h, self.tq, self.d = q.shape
        self.tk, self.state, self.scale = k.shape[2], step_state(), q.shape[3] ** -0.5
        like = lambda x, w: torch.full((*x.shape[:3], w), float("nan"), device="cuda", dtype=q.dtype)
        self.o, self.dq, self.dk, self.dv = like(q, v.shape[3]), like(q, self.d), like(k, self.d), like(v, v.shape[3])
        self.lse, self.delta = (torch.full((self.b, self.h, self.tq), float("nan"), device="cuda") for _ in range(2))

    def params(self, dO=None):
        t = [self.q, self.k, self.v, self.o, self.lse, dO, self.dq, self.dk, self.dv, self.delta, self.mask, self.state]
        packed = struct.pack("<12Q", *[pointer(x) for x in t])
        for x in (self.q, self.k, self.v, self.o, dO, self.dq, self.dk, self.dv):
            packed += struct.pack("<3q", *strides(x))
        packed += struct.pack("<4q", *mask_strides(self.mask, (self.b, self.h, self.tq, self.tk)))
        return packed + struct.pack("<4if2I4x", self.b, self.h, self.tq, self.tk, self.scale, self.threshold, self.site)

    def forward(self):
        m, p = self.mods[0], self.params()
        shared = m.constant("efficient_attention_forward_shared")
        return lambda: m.launch("efficient_attention_forward", (-(-self.tq // 64), self.h, self.b), 128, p, shared=shared)

    def backward(self, dO):
        m, p = self.mods[1], self.params(dO)
        query, key = m.constant("efficient_attention_query_shared"), m.constant("efficient_attention_key_shared")

        def run():
            m.launch("efficient_attention_backward_rows", (-(-self.tq // 4), self.h, self.b), 128, p)
            m.launch("efficient_attention_backward_query", (-(-self.tq // 64), self.h, self.b), 128, p, shared=query)
            m.launch("efficient_attention_backward_key", (-(-self.tk // 64), self.h, self.b), 128, p, shared=key)

        return run


class Math:
    """MATH attention with torch's batched products around the softmax kernels."""

    def __init__(self, mod, q, k, v, mask=None, threshold=0, site=7):
        self.mod, self.q, self.k, self.v, self.mask, self.threshold, self.site = mod, q, k, v, mask, threshold, site
        self.b, self.h, self.tq, self.d = q.shape
        self.tk, self.state, self.scale = k.shape[2], step_state(), q.shape[3] ** -0.5

    def launch(self, name, gradient=None):
        packed = struct.pack("<6Q", *[pointer(x) for x in (self.p, self.dropped, gradient, self.mask, None, self.state)])
        packed += struct.pack("<4q", *mask_strides(self.mask, (self.b, self.h, self.tq, self.tk)))
        packed += struct.pack("<Q6if2I", 0, self.h, self.tq, self.tk, 0, self.tq, self.tk, self.scale, self.threshold, self.site)
        self.mod.launch(name, (-(-self.tq // 4), self.h, self.b), 128, packed)

    def forward(self):
        def run():
            self.p = (self.q @ self.k.transpose(-1, -2)).contiguous()
            self.dropped = torch.full_like(self.p, float("nan")) if self.threshold else None
            self.launch("attention_math_forward")
            self.o = (self.p if self.dropped is None else self.dropped) @ self.v

        return run

    def backward(self, dO):
        def run():
            self.dv = (self.p if self.dropped is None else self.dropped).transpose(-1, -2) @ dO
            ds = (dO @ self.v.transpose(-1, -2)).contiguous()
            self.launch("attention_math_backward", ds)
            self.dq, self.dk = ds @ self.k, ds.transpose(-1, -2) @ self.q

        return run


def reference(q, k, v, dO, mask, causal, factor, dtype):
    q, k, v = (x.detach().to(dtype).requires_grad_() for x in (q, k, v))
    s = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        s = s.masked_fill(~mask.bool(), float("-inf")) if mask.dtype == torch.uint8 else s + mask.to(dtype)
    if causal:
        tq, tk = s.shape[-2:]
        s = s.masked_fill(~torch.ones(tq, tk, dtype=torch.bool, device="cuda").tril(tk - tq), float("-inf"))
    dead = (s == float("-inf")).all(-1, keepdim=True)
    p = torch.softmax(s.masked_fill(dead, 0.0), -1).masked_fill(dead, 0.0)
    if factor is not None:
        p = p * factor.to(dtype)
    o = p @ v
    o.backward(dO.to(dtype))
    return o.detach(), q.grad, k.grad, v.grad


RELATIVE = {"bf16": 1e-2, "fp16": 2e-3, "f32": 1e-3, "strict": 1e-5}


def masks(kind, b, h, tq, tk, dtype, shape):
    if kind == 0:
        return None
    size = tuple(s if keep else 1 for s, keep in zip((b, h, tq, tk), shape))
    allowed = torch.rand(size, device="cuda") > 0.3
    if shape[2]:
        allowed[..., min(2, tq - 1), :] = False  # a row that attends to nothing
    if kind == 1:
        return allowed.to(torch.uint8)
    return (torch.randn(size, device="cuda") * 2).masked_fill(~allowed, float("-inf")).to(dtype)


def case(make, name, dtype, d, dv, causal, tq, tk, kind=0, p=0.0, strict=False, shape=(1, 1, 1, 1), b=2, h=3):
    torch.manual_seed(5)
    T, threshold = TYPES[dtype], round(p * 65536)
    q, k, v, dO = (torch.randn(b, t, h, w, device="cuda").to(T).transpose(1, 2) for t, w in ((tq, d), (tk, d), (tk, dv), (tq, dv)))
    mask = masks(kind, b, h, tq, tk, T, shape)
    a = make(q, k, v, mask, threshold)
    a.forward()()
    a.backward(dO)()
    torch.cuda.synchronize()
    factor = attention_factor(b, h, tq, tk, threshold, 7) if p else None
    exact, plain = (reference(q, k, v, dO, mask, causal, factor, t) for t in (torch.float64, T))
    what = f"{name} {dtype} D{d} Dv{dv} {'causal ' if causal else ''}{tq}x{tk} mask{kind}{shape} p{p} {'strict' if strict else ''}"
    worst = 0.0
    for part, out, e, f in zip(("o", "dq", "dk", "dv"), (a.o, a.dq, a.dk, a.dv), exact, plain):
        r = relative(out, e) if e.norm() > 1e-3 else 0.0
        worst = max(worst, r)
        report.expect(f"{what} {part} relative", r, RELATIVE["strict" if strict else dtype])
        if dtype != "f32":
            error, other = (out.double() - e).abs().max().item(), (f.double() - e).abs().max().item()
            budget = 2 * other + 1e-5 if part == "o" else 3 * other + (2e-4 if factor is None else 2e-2)
            report.expect(f"{what} {part} max", error, budget)
    return worst


def check(directory):
    for dtype, d, dv, causal, dropout, kind, strict in EFFICIENT:
        mods, worst = modules(directory, dtype, d, dv, causal, dropout, kind, strict), 0.0
        for tq, tk in ((64, 64), (1, 1), (65, 129), (129, 65), (300, 20), (7, 200), (200, 333)):
            for shape in ((1, 1, 1, 1), (1, 0, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0)) if kind else ((1, 1, 1, 1),):
                worst = max(worst, case(lambda *a: Efficient(mods, *a), "efficient", dtype, d, dv, causal, tq, tk, kind, 0.2 if dropout else 0.0, strict, shape))
        print(f"efficient {dtype} D{d} Dv{dv} causal {causal} dropout {dropout} mask {kind} strict {strict}: worst {worst:.1e}, failures {report.failures}", flush=True)
    for dtype, causal, kind in MATH:
        mod, worst = Module(os.path.join(directory, f"attention_math.{dtype}.c{causal}.m{kind}.cubin")), 0.0
        for tq, tk in ((64, 64), (65, 129), (129, 65), (40, 200)):
            for p in (0.0, 0.2):
                worst = max(worst, case(lambda *a: Math(mod, *a), "math", dtype, 32, 32, causal, tq, tk, kind, p))
        print(f"math {dtype} causal {causal} mask {kind}: worst {worst:.1e}, failures {report.failures}", flush=True)


EFFICIENT = [("bf16", 64, 64, 1, 0, 0, 0), ("bf16", 128, 96, 0, 1, 1, 0), ("fp16", 32, 32, 0, 0, 2, 0), ("f32", 64, 64, 1, 0, 0, 0),
             ("f32", 64, 64, 1, 0, 0, 1), ("f32", 40, 24, 0, 1, 2, 1), ("f32", 128, 128, 0, 0, 1, 0)]
MATH = [("bf16", 1, 0), ("f32", 0, 1), ("bf16", 0, 2)]


def time(directory):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    b, h, t, d = 32, 12, 1024, 64
    for dtype, strict in (("bf16", 0), ("f32", 0), ("f32", 1)):
        q, k, v, dO = (torch.randn(b, h, t, d, device="cuda").to(TYPES[dtype]) for _ in range(4))
        a = Efficient(modules(directory, dtype, 64, 64, 1, 0, 0, strict), q, k, v)
        line = f"efficient {dtype}{' strict' if strict else ''} B32 H12 T1024 D64 causal: {micros(a.forward()):.0f}+{micros(a.backward(dO)):.0f}"
        x, y, z = (w.detach().requires_grad_() for w in (q, k, v))
        for name, backend in (("torch EFFICIENT", SDPBackend.EFFICIENT_ATTENTION), ("torch MATH", SDPBackend.MATH)):
            with sdpa_kernel(backend):
                f = torch_micros(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True), 5)
                out = F.scaled_dot_product_attention(x, y, z, is_causal=True)
                line += f" | {name} {f:.0f}+{torch_micros(lambda: torch.autograd.grad(out, (x, y, z), dO, retain_graph=True), 5):.0f}"
                del out
        if dtype == "bf16":
            m = Math(Module(os.path.join(directory, "attention_math.bf16.c1.m0.cubin")), q, k, v)
            line += f" | our softmax with torch's products {torch_micros(m.forward(), 5):.0f}+{torch_micros(m.backward(dO), 5):.0f}"
        print(line, flush=True)


if __name__ == "__main__":
    check(sys.argv[1])
    time(sys.argv[1])
    print("failures:", report.failures)
    sys.exit(1 if report.failures else 0)
