"""Judges the flash kernels against float64 and times them beside PyTorch.

usage: judge_flash_attention.py CUBIN_DIR [check] [time] [small] [mma] [hopper] [long]
small: one small shape a path, for compute-sanitizer. mma, hopper, long: the paths (all); long: hopper's with the backward pass for
long sequences
cubins (build_cubins.sh): flash_{forward|backward}[_hopper|_hopper_128|_hopper_long].{bf16|fp16}.d{D}.c{CAUSAL}.r{DROPOUT}.cubin"""
import os
import statistics
import struct
import sys

import torch

from attention_peers import forward_flops, named, rates, torch_runs
from kernel_driver import Module, Report, attention_factor, micros, pointer, relative, step_state, warmed

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
report = Report()
modules = {}


def module(directory, path, dtype, d, causal, dropout):
    """(forward, backward) of a path, or None where there are no such kernels. Hopper's backward pass of D 128 with dropout is mma's."""
    if path == "long" and d > 64:
        return None
    pair = []
    for way in ("forward", "backward"):
        hopper = path != "mma" and not (d == 128 and way == "backward" and dropout)
        kind = "" if not hopper else "_hopper_128" if d == 128 else "_hopper_long" if path == "long" and way == "backward" else "_hopper"
        name = f"flash_{way}{kind}.{dtype}.d{d}.c{int(causal)}.r{int(dropout)}.cubin"
        file = os.path.join(directory, name)
        if not os.path.exists(file):
            return None
        if name not in modules:
            modules[name] = Module(file)
        pair.append(modules[name])
    return pair


class Flash:
    """One call's buffers. q, k, v, o, dO: (B, H, T, D) views with contiguous last dimension; packed: (1, H, total, D)."""

    def __init__(self, mod, q, k, v, threshold=0, site=7, splits=1, cu_q=None, cu_k=None, lengths=None, state=None):
        (self.forward_module, self.backward_module), self.q, self.k, self.v = mod, q, k, v
        self.without_sums = "flash_backward_hopper." in self.backward_module.path
        self.turns, self.persistent = (
            not self.without_sums and self.backward_module.constant(f"flash_attention_backward_{name}") for name in ("turns", "persistent"))
        self.threshold, self.site, self.splits, self.cu_q, self.cu_k = threshold, site, 1 if self.turns else splits, cu_q, cu_k
        self.state = state if state is not None else step_state()
        self.batch, self.heads = (q.shape[0] if cu_q is None else cu_q.numel() - 1), q.shape[1]
        self.tq, self.tk = (q.shape[2], k.shape[2]) if lengths is None else lengths
        self.d = q.shape[3]
        self.scale = self.d**-0.5
        poison = float("nan")
        b, h, t, d = q.shape
        self.o = torch.full((b, t, h, d), poison, device="cuda", dtype=q.dtype).transpose(1, 2)
        self.lse = torch.full((b, h, t), poison, device="cuda")
        self.dq = torch.full_like(self.o, poison)
        self.dkv = torch.full((b, k.shape[2], 2, h, d), poison, device="cuda", dtype=q.dtype)
        self.dk, self.dv = self.dkv[:, :, 0].transpose(1, 2), self.dkv[:, :, 1].transpose(1, 2)
        self.stats_rows = self.batch * ((self.tq + 127) // 128 * 128) if cu_q is None else (t + 128 * self.batch + 127) // 128 * 128
        self.stats = torch.full((h, self.stats_rows, 2), poison, device="cuda")
        sums, counts = self.splits * h * self.stats_rows * d, h * (self.stats_rows // 64 + self.batch) if self.turns else 0
        self.partial = None if self.without_sums else torch.full((sums + counts,), poison, device="cuda")
        kept_words = h * self.stats_rows * ((self.tk + 63) // 64) * 2
        self.kept = torch.full((kept_words,), 0x55555555, device="cuda", dtype=torch.int32) if (self.without_sums or self.persistent) and threshold else None

    def params(self, dO=None):
        t = [self.q, self.k, self.v, self.o, self.lse, dO, self.dq, self.dk, self.dv, self.stats, self.partial, self.kept, self.cu_q, self.cu_k, self.state]
        packed = struct.pack("<15Q", *[pointer(x) for x in t])
        for x in [self.q, self.k, self.v, self.o, dO, self.dq, self.dk, self.dv]:
            packed += struct.pack("<3q", *((0, 0, 0) if x is None else (x.stride(0), x.stride(1), x.stride(2))))
        packed += struct.pack("<3q", self.lse.stride(0), self.lse.stride(1), 1)
        return packed + struct.pack("<6if2I4x", self.batch, self.heads, self.tq, self.tk, self.stats_rows, self.splits, self.scale, self.threshold, self.site)

    def forward(self):
        m = self.forward_module
        rows = m.constant("flash_attention_forward_rows")
        grid, shared, p = ((self.tq + rows - 1) // rows, self.heads, self.batch), m.constant("flash_attention_forward_shared"), self.params()
        threads = m.constant("flash_attention_forward_threads")
        return lambda: self.forward_module.launch("flash_attention_forward", grid, threads, p, shared=shared)  # keeps self

    def backward(self, dO):
        m, p, h, b = self.backward_module, self.params(dO), self.heads, self.batch
        shared, threads = m.constant("flash_attention_backward_shared"), m.constant("flash_attention_backward_threads")
        tiles = lambda length, tile: (length + tile - 1) // tile
        keys = m.constant("flash_attention_backward_keys")
        if self.without_sums:  # a block has a tile of keys or of rows
            blocks = tiles(self.tk, keys) + tiles(self.tq, keys)
        else:
            blocks, rows = tiles(self.tk, keys) if self.turns else self.splits, m.constant("flash_attention_backward_rows")
        grid = (blocks, h, b)
        if self.persistent:  # a block a multiprocessor takes the key tiles of all heads
            grid = min(blocks * h * b, torch.cuda.get_device_properties(0).multi_processor_count)

        def run():
            m.launch("flash_attention_backward_rows_sum", (tiles(self.tq, 128), h, b), 256, p)
            m.launch("flash_attention_backward", grid, threads, p, shared=shared)
            if not (self.without_sums or self.persistent) and (self.splits > 1 or self.turns):
                m.launch("flash_attention_backward_sum", (tiles(self.tq, rows), h, b), 256, p)

        return run


def reference(q, k, v, dO, causal, factor, dtype):
    """softmax attention composed of plain products in dtype; gradients by autograd. Rows that see nothing give zeros."""
    q, k, v = (x.detach().to(dtype).requires_grad_() for x in (q, k, v))
    s = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        tq, tk = s.shape[-2:]
        seen = torch.ones(tq, tk, dtype=torch.bool, device="cuda").tril(tk - tq)
        s = s.masked_fill(~seen, float("-inf"))
    lse = torch.logsumexp(s.double(), -1)
    p = torch.softmax(s, -1).nan_to_num(0.0) if causal else torch.softmax(s, -1)
    if factor is not None:
        p = p * factor.to(dtype)
    o = p @ v
    o.backward(dO.to(dtype))
    return o.detach(), lse.detach().masked_fill(lse == float("-inf"), float("inf")), q.grad.nan_to_num(0.0), k.grad.nan_to_num(0.0), v.grad


def compare(what, flash, q, k, v, dO, causal, factor, limit):
    """At most 2x (gradients 3x) the error of plain attention in the same type. With dropout delta = rowsum(dO o) comes from
    the rounded o, which plain autograd does not need: that rounding is allowed for."""
    exact = reference(q, k, v, dO, causal, factor, torch.float64)
    plain = reference(q, k, v, dO, causal, factor, q.dtype)
    names, outs = ["o", "dq", "dk", "dv"], [flash.o, flash.dq, flash.dk, flash.dv]
    worst = 0.0
    for name, out, e, p in zip(names, outs, [exact[0], *exact[2:]], [plain[0], *plain[2:]]):
        error = (out.double() - e).abs().max().item()
        budget = 2 * (p.double() - e).abs().max().item() + 1e-5 if name == "o" else 3 * (p.double() - e).abs().max().item() + (2e-4 if factor is None else 2e-2)
        report.expect(f"{what} {name} max", error, budget)
        r = relative(out, e) if e.norm() > 1e-3 else 0.0
        worst = max(worst, r)
        report.expect(f"{what} {name} relative", r, limit)
    finite = torch.isfinite(exact[1])
    if finite.any():
        report.expect(f"{what} lse", (flash.lse.double() - exact[1])[finite].abs().max().item(), 2e-3)
    report.expect(f"{what} lse of empty rows", 0.0 if (flash.lse[~finite] == float("inf")).all() else 1.0, 0.0)
    return worst


def dense(directory, path, dtype, d, causal, tq, tk, p=0.0, splits=1, scale=1.0, batch=2, heads=3, seed=0):
    torch.manual_seed(seed)
    threshold = round(p * 65536)
    T = TYPES[dtype]
    pad = 5  # rows past the end hold NaN: nothing may read them
    make = lambda t: torch.randn(batch, t + pad, heads, d, device="cuda").mul(scale).to(T).transpose(1, 2)
    q, k, v, dO = make(tq), make(tk), make(tk), make(tq)
    for x, t in ((q, tq), (k, tk), (v, tk), (dO, tq)):
        x[:, :, t:] = float("nan")
    q, k, v, dO = q[:, :, :tq], k[:, :, :tk], v[:, :, :tk], dO[:, :, :tq]
    flash = Flash(module(directory, path, dtype, d, causal, p > 0), q, k, v, threshold, splits=splits)
    flash.forward()()
    flash.backward(dO)()
    torch.cuda.synchronize()
    factor = attention_factor(batch, heads, tq, tk, threshold, flash.site) if p else None
    what = f"{path} {dtype} D{d} {'causal' if causal else 'full'} {tq}x{tk} p{p} splits{splits} scale{scale}"
    return compare(what, flash, q, k, v, dO, causal, factor, 1e-2)


def packed(directory, path, dtype, d, causal, lengths, p, splits):
    torch.manual_seed(3)
    threshold, T, heads, total = round(p * 65536), TYPES[dtype], 3, sum(lengths)
    cu = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device="cuda")
    qkv = torch.randn(1, total, 3, heads, d, device="cuda").to(T)
    q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
    dO = torch.randn(1, total, heads, d, device="cuda").to(T).transpose(1, 2)
    longest = max(lengths)
    flash = Flash(module(directory, path, dtype, d, causal, p > 0), q, k, v, threshold, splits=splits, cu_q=cu, cu_k=cu, lengths=(longest, longest))
    flash.forward()()
    flash.backward(dO)()
    torch.cuda.synchronize()
    whole = attention_factor(len(lengths), heads, longest, longest, threshold, flash.site) if p else None

    class Part:
        pass

    for i, n in enumerate(lengths):
        at, part = slice(int(cu[i]), int(cu[i + 1])), Part()
        for name in ("o", "dq", "dk", "dv"):
            setattr(part, name, getattr(flash, name)[:, :, at])
        part.lse = flash.lse[:, :, at]
        factor = whole[i : i + 1, :, :n, :n] if p else None
        compare(f"packed {path} {dtype} D{d} p{p} splits{splits} sequence {i}", part, q[:, :, at], k[:, :, at], v[:, :, at], dO[:, :, at], causal, factor, 1e-2)


def repeatable(directory, path, dtype, d, p, splits):
    torch.manual_seed(4)
    q, k, v, dO = (torch.randn(4, 6, 640, d, device="cuda").to(TYPES[dtype]) for _ in range(4))
    first = None
    for _ in range(50):
        flash = Flash(module(directory, path, dtype, d, True, p > 0), q, k, v, round(p * 65536), splits=splits)
        flash.forward()()
        flash.backward(dO)()
        outs = [flash.o, flash.dq, flash.dk, flash.dv, flash.lse]
        if first is None:
            first = outs
        elif not all(torch.equal(a, b) for a, b in zip(first, outs)):
            report.expect(f"bitwise equal {path} {dtype} D{d} p{p} splits{splits}", 1.0, 0.0)
            return


def check(directory, path):
    for dtype, d in (("bf16", 64), ("fp16", 32), ("bf16", 128), ("fp16", 128)):
        if module(directory, path, dtype, d, True, False) is None:
            continue
        worst, at = 0.0, (directory, path, dtype, d)
        drops = module(directory, path, dtype, d, True, True) is not None
        for causal in (False, True):
            for t in (1, 63, 64, 65, 127, 129, 1000, 1024):
                worst = max(worst, dense(*at, causal, t, t))
            for tq, tk in ((65, 129), (129, 65), (300, 20), (7, 700), (257, 383)):
                worst = max(worst, dense(*at, causal, tq, tk))
            worst = max(worst, dense(*at, causal, 4096, 4096, batch=1, heads=2))
            for splits in (2, 3, 16):
                worst = max(worst, dense(*at, causal, 517, 640, splits=splits))
            worst = max(worst, dense(*at, causal, 200, 200, scale=6.0))
            for tq, tk in ((1, 1), (63, 63), (64, 64), (129, 200), (300, 20), (333, 333), (1000, 1000)) if drops else ():
                worst = max(worst, dense(*at, causal, tq, tk, p=0.2, splits=1 + tq % 2))
        packed(*at, True, [1, 130, 64, 257, 31], 0.0, 1)
        packed(*at, True, [1, 130, 64, 257, 31], 0.2 if drops else 0.0, 2)
        for p, splits in ((0.0, 1), (0.0, 3), (0.2, 1)) if drops else ((0.0, 1), (0.0, 3)):
            repeatable(*at, p, splits)
        print(f"checked {path} {dtype} D{d}: worst relative error {worst:.2e}, failures so far {report.failures}", flush=True)


def small(directory, path):
    for d in (64, 128):
        for p in (0.0, 0.2):
            if module(directory, path, "bf16", d, True, p > 0) is None:
                continue
            worst = dense(directory, path, "bf16", d, True, 150, 280, p=p, batch=1, heads=1)
            print(f"small {path} D{d} p{p}: relative error {worst:.2e}", flush=True)


def splits_of(heads, tiles):
    """As CudaFlashAttention.workspace: of at most enough to give every multiprocessor a block, those that finish first."""
    processors = torch.cuda.get_device_properties(0).multi_processor_count
    return min(range(1, max(1, min(tiles, -(-processors // heads))) + 1), key=lambda s: -(-heads * s // processors) / s)


SHAPES = [("bf16", 32, 12, 1024, 64, True), ("fp16", 32, 32, 1024, 32, False), ("fp16", 32, 32, 1024, 32, True),
          ("bf16", 64, 6, 256, 64, True), ("bf16", 4, 16, 4096, 128, True), ("bf16", 4, 16, 4096, 128, False),
          ("bf16", 16, 16, 1024, 128, True), ("bf16", 1, 16, 4096, 64, True), ("bf16", 1, 16, 16384, 64, True),
          ("bf16", 1, 16, 4096, 128, True), ("bf16", 1, 16, 16384, 128, True)]
ROUNDS = 3


def measure(directory, paths, rounds=ROUNDS):
    """Yields (case, {who: microseconds of (forward, forward and backward)}), case = (*shape, dropout): medians of rounds in which
    ours and PyTorch's take turns, all as replayed graphs."""
    for shape in SHAPES:
        dtype, b, h, t, d, causal = shape
        qkv = torch.randn(b, t, 3, h, d, device="cuda").to(TYPES[dtype])
        q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
        dO = torch.randn(b, t, h, d, device="cuda").to(TYPES[dtype]).transpose(1, 2)
        for p in (0.0, 0.2) if t <= 1024 else (0.0,):
            runs = {}
            for path in paths:
                mod = module(directory, path, dtype, d, causal, p > 0)
                if mod is not None:
                    flash = Flash(mod, q, k, v, round(p * 65536), splits=splits_of(b * h, (t + 127) // 128))
                    runs[path] = flash.forward(), (lambda f=flash.forward(), g=flash.backward(dO): (f(), g()))
            runs |= torch_runs(q, k, v, dO, causal, p)
            times = {name: ([], []) for name in runs}
            repeats = 20 if forward_flops(shape) < 1e11 else 6
            for _ in range(rounds):
                for name, pair in runs.items():
                    for way in range(2):
                        times[name][way].append(micros(warmed(pair[way]), repeats, rounds=3))
            yield (*shape, p), {name: tuple(map(statistics.median, ways)) for name, ways in times.items()}


def time(directory, paths):
    for case, times in measure(directory, paths):
        for name, (forward, both) in times.items():
            print(f"{named(case):36} {name:12} {forward:8.1f} / {both:8.1f} us  {rates(case, forward, both)}", flush=True)


if __name__ == "__main__":
    where, wanted = sys.argv[1], sys.argv[2:]
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    every = ("mma", "hopper", "long")
    paths = [path for path in every if path in wanted or not set(every) & set(wanted)]
    for path in paths:
        for name, judge in (("check", check), ("small", small)):
            if name in wanted:
                judge(where, path)
    if "time" in wanted:
        time(where, paths)
    print("failures:", report.failures)
    sys.exit(1 if report.failures else 0)
