"""Judges the fused elementwise, normalization, classifier and optimizer kernels against float64, and times them.

usage: judge_kernels.py CUBIN_DIR   (made by build_cubins.sh CUBIN_DIR)"""
import struct
import sys

import torch
import torch.nn.functional as F
from ctypes import c_longlong, c_uint

from kernel_driver import (GRADIENT, LIMIT, TYPES, Module, Report, elementwise_factor, nan_like, pointer, randn, relative,
                           step_state, timing)

report = Report()


class LayerNorm:
    def __init__(self, directory, type_name, rows, c, p=0.0, bias=True, branch=True):
        self.forward_mod, self.backward_mod = (
            Module(f"{directory}/residual_layernorm_{way}.{type_name}.{c}.cubin") for way in ("forward", "backward"))
        dtype = TYPES[type_name]
        self.rows, self.c, self.threshold = rows, c, round(p * 65536)
        self.res, self.branch = randn(rows, c, dtype=dtype), randn(rows, c, dtype=dtype) if branch else None
        self.bb = randn(c, dtype=dtype) if branch else None
        self.w, self.b = randn(c, dtype=dtype), randn(c, dtype=dtype) if bias else None
        self.out, self.y = nan_like(self.res), nan_like(self.res)
        self.mean, self.rstd = (torch.full((rows,), float("nan"), device="cuda") for _ in range(2))
        self.state, self.site = step_state(), 3
        self.threads = self.forward_mod.constant("residual_layernorm_threads")

    def forward(self):
        packed = struct.pack("<9Qif2IQ", *[pointer(x) for x in (self.out, self.mean, self.rstd, self.res, self.branch, self.bb, self.w, self.b, self.state)], self.rows, 1e-5, self.threshold, self.site, pointer(self.y))
        grid = -(-self.rows // self.forward_mod.constant("residual_layernorm_rows"))
        return lambda: self.forward_mod.launch("residual_layernorm_forward", grid, self.threads, packed)

    def backward(self, dres, dbranch, dy, grads):
        x = self.out if self.branch is not None else self.res
        biases = "" if all(g is None for g in grads[1:]) else "_biases"
        blocks = 132 * self.backward_mod.constant("residual_layernorm_blocks" + biases)
        partial = torch.full((blocks, 3, self.c), float("nan"), device="cuda")
        packed = struct.pack("<9Qi3I", *[pointer(t) for t in (dres, dbranch, partial, dy, x, self.w, self.mean, self.rstd, self.state)], self.rows, self.threshold, self.site, 1)

        def run():
            self.backward_mod.launch("residual_layernorm_backward" + biases, blocks, self.threads, packed)
            self.backward_mod.launch("residual_layernorm_reduce", (-(-self.c // 32), 3), (32, 32), *grads, partial, blocks)

        return run


def layernorm(directory):
    for dt, c in (("bf16", 768), ("bf16", 384), ("f32", 207), ("bf16", 1600)):
        T = TYPES[dt]
        for p, bias, branch, rows in ((0.0, True, True, 1037), (0.2, False, True, 64), (0.0, True, False, 13)):
            torch.manual_seed(1)
            ln = LayerNorm(directory, dt, rows, c, p, bias, branch)
            ln.forward()()
            x = ln.res.double()
            factor = elementwise_factor(rows * c, ln.threshold, ln.site).view(rows, c) if p else 1.0
            if branch:
                x = x + (ln.branch.double() + ln.bb.double()) * factor
                report.expect(f"layernorm {dt} {c} residual", relative(ln.out, x), LIMIT[dt])
                x = ln.out.double()
            x = x.requires_grad_()
            w, b = ln.w.double().requires_grad_(), (ln.b.double() if bias else torch.zeros(c, device="cuda").double()).requires_grad_()
            y = F.layer_norm(x, (c,), w, b, 1e-5)
            report.expect(f"layernorm {dt} {c} p{p} y", relative(ln.y, y), LIMIT[dt])
            report.expect(f"layernorm {dt} {c} mean", relative(ln.mean, x.mean(1)), 1e-5)
            dy, dres = randn(rows, c, dtype=T), randn(rows, c, dtype=T)
            before, dbranch = dres.double(), nan_like(dres) if p else None
            grads = [randn(c) for _ in range(3)] if branch and bias else [randn(c), None, None]
            start = [None if g is None else g.double() for g in grads]
            ln.backward(dres, dbranch, dy, grads)()
            y.backward(dy.double())
            expected = before + x.grad
            report.expect(f"layernorm {dt} {c} dResidual", relative(dres, expected), LIMIT[dt])
            branch_gradient = dres.double() * factor
            if p:
                report.expect(f"layernorm {dt} {c} dBranch", relative(dbranch, branch_gradient), LIMIT[dt])
            for name, g, s, e in zip(("dw", "db", "dbb"), grads, start, (w.grad, b.grad, branch_gradient.sum(0))):
                if g is not None:
                    report.expect(f"layernorm {dt} {c} p{p} {name}", relative(g, s + e), GRADIENT[dt])
    rows, c = 32768, 768
    ln = LayerNorm(directory, "bf16", rows, c)
    timing("residual_layernorm forward 32768x768 bf16", ln.forward(), rows * c * 8)
    dy, dres, grads = randn(rows, c, dtype=torch.bfloat16), randn(rows, c, dtype=torch.bfloat16), [randn(c) for _ in range(3)]
    for biases in (False, True):
        timing(f"residual_layernorm backward{', biases' if biases else ''}", ln.backward(dres, None, dy, grads if biases else [grads[0], None, None]), rows * c * 8)


def gelu(directory):
    for form in ("erf", "tanh"):
        for dt, c in (("bf16", 3072), ("f32", 207)):
            mod, T, rows = Module(f"{directory}/gelu.{dt}.{c}.{form}.cubin"), TYPES[dt], 333
            x, bias, dy = randn(rows, c, dtype=T) * 3, randn(c, dtype=T), randn(rows, c, dtype=T)
            y, dx, groups = nan_like(x), nan_like(x), 7
            partial, dbias = torch.full((groups, c), float("nan"), device="cuda"), randn(c)
            before, v = dbias.double(), mod.constant("gelu_vector")
            mod.launch("gelu_forward", -(-rows * c // (256 * v)), 256, y, x, bias, c_longlong(rows * c))
            mod.launch("gelu_backward", (-(-c // (32 * v)), groups), (32, 8), dx, partial, dy, x, bias, rows)
            mod.launch("gelu_reduce", -(-c // 32), (32, 32), dbias, partial, groups)
            z = (x.double() + bias.double()).requires_grad_()
            exact = F.gelu(z, approximate="tanh" if form == "tanh" else "none")
            exact.backward(dy.double())
            report.expect(f"gelu {form} {dt} y", relative(y, exact), LIMIT[dt])
            report.expect(f"gelu {form} {dt} dx", relative(dx, z.grad), LIMIT[dt])
            report.expect(f"gelu {form} {dt} dbias", relative(dbias, before + z.grad.sum(0)), GRADIENT[dt])
        mod, rows, c = Module(f"{directory}/gelu.bf16.3072.{form}.cubin"), 32768, 3072
        x, bias, dy = randn(rows, c, dtype=torch.bfloat16), randn(c, dtype=torch.bfloat16), randn(rows, c, dtype=torch.bfloat16)
        y, partial, dbias = torch.empty_like(x), torch.zeros(128, c, device="cuda"), randn(c)
        timing(f"gelu {form} forward", lambda: mod.launch("gelu_forward", rows * c // 2048, 256, y, x, bias, c_longlong(rows * c)), rows * c * 4)
        for groups in (64, 128):
            def run():
                mod.launch("gelu_backward", (12, groups), (32, 8), dy, partial, dy, x, bias, rows)
                mod.launch("gelu_reduce", 96, (32, 32), dbias, partial, groups)
            timing(f"gelu {form} backward, {groups} groups", run, rows * c * 6)


def cross_entropy(directory):
    for dt, vocabulary, padded in (("bf16", 50257, 50304), ("f32", 65, 72), ("bf16", 65, 128)):
        mod, T, rows = Module(f"{directory}/cross_entropy.{dt}.{vocabulary}.{padded}.cubin"), TYPES[dt], 77
        logits = randn(rows, padded, dtype=T) * 5
        logits[:, vocabulary:] = float("nan")
        logits[3, 5], logits[4, 6] = 120.0, -120.0
        targets = torch.randint(0, vocabulary, (rows,), device="cuda", dtype=torch.int32)
        targets[0], targets[1] = -1, vocabulary - 1
        z = logits[:, :vocabulary].double().requires_grad_()
        exact = F.cross_entropy(z, targets.long(), reduction="none", ignore_index=-1)
        scale = torch.tensor([0.37], device="cuda")
        (exact.sum() * 0.37).backward()
        losses, again = (torch.full((rows,), float("nan"), device="cuda") for _ in range(2))
        shared = mod.constant("cross_entropy_shared")
        blocks = -(-rows // mod.constant("cross_entropy_rows"))
        mod.launch("cross_entropy_loss", blocks, 512, losses, logits, targets, rows, shared=shared)
        mod.launch("cross_entropy_backward", blocks, 512, again, logits, targets, rows, scale, shared=shared)
        report.expect(f"cross entropy {dt} {vocabulary} loss", relative(losses, exact), 1e-5)
        report.expect(f"cross entropy {dt} {vocabulary} loss again", 0.0 if torch.equal(losses, again) else 1.0, 0.0)
        report.expect(f"cross entropy {dt} {vocabulary} dlogits", relative(logits[:, :vocabulary], z.grad), LIMIT[dt] * 2)
        report.expect(f"cross entropy {dt} {vocabulary} padding", logits[:, vocabulary:].abs().double().sum().item(), 0.0)
    mod, rows = Module(f"{directory}/cross_entropy.bf16.50257.50304.cubin"), 16384
    logits, targets = randn(rows, 50304, dtype=torch.bfloat16), torch.randint(0, 50257, (rows,), device="cuda", dtype=torch.int32)
    losses, scale, shared = torch.zeros(rows, device="cuda"), torch.ones(1, device="cuda"), mod.constant("cross_entropy_shared")
    timing("cross entropy 16384x50304 with gradient", lambda: mod.launch("cross_entropy_backward", rows, 512, losses, logits, targets, rows, scale, shared=shared), rows * 50304 * 4)


def embedding(directory):
    for dt, c, vocabulary, batch, length, p in (("bf16", 768, 50257, 32, 1024, 0.0), ("bf16", 384, 65, 64, 256, 0.2), ("f32", 207, 65, 3, 13, 0.2)):
        mod, T, n = Module(f"{directory}/embedding.{dt}.{c}.{vocabulary}.cubin"), TYPES[dt], batch * length
        threshold, site, state, v = round(p * 65536), 9, step_state(), mod.constant("embedding_vector")
        tokens = (torch.rand(batch, length, device="cuda") ** 4 * vocabulary).int().clamp_max(vocabulary - 1)
        positions = torch.arange(length, dtype=torch.int32, device="cuda").repeat(batch)
        wte, wpe, dx = randn(vocabulary, c, dtype=T), randn(length, c, dtype=T), randn(n, c, dtype=T)
        x = nan_like(dx)
        mod.launch("embedding_forward", -(-n * c // (256 * v)), 256, x, tokens, positions, wte, wpe, c_longlong(n), c_uint(threshold), c_uint(site), state)
        factor = elementwise_factor(n * c, threshold, site).view(n, c) if p else 1.0
        exact = (wte.double()[tokens.long().flatten()] + wpe.double().repeat(batch, 1)) * factor
        report.expect(f"embedding {dt} {c} x", relative(x, exact), LIMIT[dt])
        chunks = -(-n // 1024)
        ints = lambda *shape: torch.full(shape, -7, dtype=torch.int32, device="cuda")
        rank, counts, totals, starts, present, order = ints(n), ints(chunks, vocabulary), ints(vocabulary), ints(vocabulary + 1), ints(vocabulary + 1), ints(n)
        dwte, dwpe = randn(vocabulary, c), randn(length, c)
        expected_wte, expected_wpe = dwte.double(), dwpe.double()
        masked = dx.double() * factor
        expected_wte.index_add_(0, tokens.long().flatten(), masked)
        expected_wpe += masked.view(batch, length, c).sum(0)

        def backward():
            mod.launch("embedding_count", chunks, 1024, rank, counts, tokens, n)
            mod.launch("embedding_prefix", -(-vocabulary // 256), 256, counts, totals, chunks)
            mod.launch("embedding_scan", 1, 1024, starts, present, totals)
            mod.launch("embedding_place", chunks, 1024, order, starts, counts, rank, tokens, n)
            mod.launch("embedding_backward_tokens", (min(vocabulary, n, 1024), -(-c // (32 * v))), (32, 16), dwte, dx, order, starts, present, c_uint(threshold), c_uint(site), state)
            mod.launch("embedding_backward_positions", -(-length * c // (32 * v)), (32, 8), dwpe, dx, batch, length, c_uint(threshold), c_uint(site), state)

        backward()
        report.expect(f"embedding {dt} {c} dwte", relative(dwte, expected_wte), 1e-5)
        report.expect(f"embedding {dt} {c} dwpe", relative(dwpe, expected_wpe), 1e-5)
        report.expect(f"embedding {dt} {c} order", 0.0 if torch.equal(order.long(), torch.argsort(tokens.flatten(), stable=True)) else 1.0, 0.0)
        timing(f"embedding backward {n} x {c}, vocabulary {vocabulary}, p {p}", backward, n * c * 4)


def optimizer(directory):
    mod, norm_mod = Module(f"{directory}/adamw.bf16.cubin"), Module(f"{directory}/global_norm.bf16.cubin")
    for count in (1, 13, 4098, 124_000_003):
        torch.manual_seed(2)
        master, m, v, g = randn(count), randn(count) * 0.01, randn(count).square() * 1e-4, randn(count)
        working = nan_like(master, torch.bfloat16)
        parameter = torch.nn.Parameter(master.clone())
        optimizer = torch.optim.AdamW([parameter], lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
        optimizer.state[parameter] = {"step": torch.tensor(6.0), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
        parameter.grad = g * 0.5
        expected_norm = torch.nn.utils.clip_grad_norm_([parameter], 1.0).item()
        optimizer.step()
        state, partial = step_state(lr=3e-4, step=7), torch.full((1024,), float("nan"), device="cuda", dtype=torch.float64)

        def norm():
            norm_mod.launch("global_norm_partial", 1024, 256, partial, g, c_longlong(count), c_longlong(0))
            norm_mod.launch("global_norm_finish", 1, 256, state, partial, 1024, 1.0, 0.5)

        norm()
        grad_norm, clip_scale = struct.unpack("<2f", bytes(state.cpu().numpy())[32:40])
        report.expect(f"global norm {count}", abs(grad_norm - (g.double() * 0.5).norm().item()) / expected_norm, 1e-6)
        report.expect(f"clip scale {count}", abs(clip_scale - 0.5 * min(1.0, 1.0 / (expected_norm + 1e-6))) / clip_scale, 1e-5)
        packed = struct.pack("<6Q2q4f", *[pointer(x) for x in (master, m, v, working, g, state)], count, count, 0.9, 0.95, 1e-8, 0.1)
        step = lambda: mod.launch("adamw", -(-count // 1024), 256, packed)
        step()
        report.expect(f"adamw {count} master", (master - parameter.detach()).abs().max().item(), 2e-6)
        report.expect(f"adamw {count} working", 0.0 if torch.equal(working, master.bfloat16()) else 1.0, 0.0)
    timing("adamw 124M", step, count * 30)
    timing("global norm 124M", norm, count * 4)


def column_sum(directory):
    for rows, c in ((333, 207), (13, 8), (1000, 2304)):
        mod = Module(f"{directory}/column_sum.bf16.{c}.cubin")
        a, per_block = randn(rows, c, dtype=torch.bfloat16), 32 * mod.constant("column_sum_vector")
        partial, sums = torch.full((5, c), float("nan"), device="cuda"), randn(c)
        expected = sums.double() + a.double().sum(0)
        mod.launch("column_sum", (-(-c // per_block), 5), (32, 8), partial, a, rows)
        mod.launch("column_sum_reduce", -(-c // 32), (32, 32), sums, partial, 5)
        report.expect(f"column sum {rows} {c}", relative(sums, expected), 1e-5)
    rows, partial = 32768, torch.zeros(64, c, device="cuda")
    a = randn(rows, c, dtype=torch.bfloat16)

    def run():
        mod.launch("column_sum", (-(-c // per_block), 64), (32, 8), partial, a, rows)
        mod.launch("column_sum_reduce", -(-c // 32), (32, 32), sums, partial, 64)

    timing(f"column sum {rows}x{c}", run, rows * c * 2)


if __name__ == "__main__":
    for judge in (layernorm, gelu, cross_entropy, embedding, optimizer, column_sum):
        failed = report.failures
        judge(sys.argv[1])
        torch.cuda.synchronize()
        print(f"{judge.__name__}: {report.failures - failed} failures", flush=True)
    sys.exit(1 if report.failures else 0)
