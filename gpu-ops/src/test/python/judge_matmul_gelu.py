"""Judges the product with the GELU beside it (matmul_gelu_hopper.cu) against float64, and times it. Needs a Hopper GPU.

usage: judge_matmul_gelu.py CUBIN_DIR   (made by build_cubins.sh CUBIN_DIR)"""
import struct
import sys

import torch
import torch.nn.functional as F
from ctypes import c_longlong

from kernel_driver import GRADIENT, LIMIT, TYPES, Module, Report, micros, pointer, randn, relative, tensor_map

report = Report()


class MatmulGelu:
    """matmul_gelu_hopper.cu; b is (N, K) where the cubin takes its transpose."""

    def __init__(self, directory, dtype, n, k, form, transposed):
        self.mod = Module(f"{directory}/matmul_gelu.{dtype}.{n}.{k}.{form}.t{transposed}.cubin")
        self.box, self.blocks = 128 if transposed else 64, torch.cuda.get_device_properties(0).multi_processor_count // 2 * 2

    def run(self, kernel, a, b, x, out, bias=None, partial=None):
        maps = tensor_map(a, 128), tensor_map(b, self.box)
        packed = struct.pack("<4Qi4x", *[pointer(t) for t in (x, out, bias, partial)], a.shape[0])
        shared = self.mod.constant("matmul_gelu_shared")
        return lambda: self.mod.launch(f"matmul_gelu_{kernel}", self.blocks, 640, *maps, packed, shared=shared)


def matmul_gelu(directory):
    for dt, n, k, rows in (("bf16", 3072, 768, 1), ("bf16", 3072, 768, 333), ("bf16", 1536, 384, 16384), ("fp16", 320, 192, 16901)):
        for form in ("erf", "tanh"):
            for transposed in (0, 1):
                torch.manual_seed(3)
                ours, T, what = MatmulGelu(directory, dt, n, k, form, transposed), TYPES[dt], f"matmul_gelu {form} {dt} {rows} t{transposed}"
                a, b, bias = randn(rows, k, dtype=T), randn(k, n, dtype=T) / 32, randn(n, dtype=T)
                stored = b.t().contiguous() if transposed else b
                beyond = 3  # rows that must stay as they are
                x, y, dx = (torch.full((rows + beyond, n), float("nan"), device="cuda", dtype=T) for _ in range(3))
                groups = -(-rows // 64)
                partial = torch.full((groups + 1, n), float("nan"), device="cuda")
                ours.run("forward", a, stored, x, y, bias)()
                z = (x[:rows].double() + bias.double()).requires_grad_()
                exact = F.gelu(z, approximate="tanh" if form == "tanh" else "none")
                product = a.double() @ b.double()
                exact.backward(product)
                report.expect(f"{what} x", relative(x[:rows], product), LIMIT[dt])
                report.expect(f"{what} y", relative(y[:rows], exact), LIMIT[dt])
                ours.run("backward", a, stored, x, dx, bias, partial)()
                report.expect(f"{what} dx", relative(dx[:rows], z.grad), LIMIT[dt])
                report.expect(f"{what} dbias", relative(partial[:groups].sum(0), z.grad.sum(0)), GRADIENT[dt])
                for t, end in ((x, rows), (y, rows), (dx, rows), (partial, groups)):
                    report.expect(f"{what} rows beyond", (~t[end:].isnan()).sum().item(), 0)
                first = dx.clone()
                for _ in range(50):
                    dx[:rows] = float("nan")
                    ours.run("backward", a, stored, x, dx, bias)()
                    report.expect(f"{what} same bits", 0.0 if torch.equal(dx[:rows], first[:rows]) else 1.0, 0.0)
    for rows, n, k in ((32768, 3072, 768), (16384, 1536, 384)):
        a, b, bt = randn(rows, k, dtype=torch.bfloat16), randn(k, n, dtype=torch.bfloat16) / 32, randn(n, k, dtype=torch.bfloat16) / 32
        x, y, gelu_mod = torch.empty(rows, n, device="cuda", dtype=torch.bfloat16), randn(rows, n, dtype=torch.bfloat16), Module(f"{directory}/gelu.bf16.{n}.erf.cubin")

        def two_forward():
            torch.matmul(a, b, out=x)
            gelu_mod.launch("gelu_forward", rows * n // 2048, 256, y, x, None, c_longlong(rows * n))

        def two_backward():
            torch.matmul(a, bt.t(), out=y)
            gelu_mod.launch("gelu_backward", (n // 256, 128), (32, 8), y, None, y, x, None, rows)

        forward, backward = MatmulGelu(directory, "bf16", n, k, "erf", 0), MatmulGelu(directory, "bf16", n, k, "erf", 1)
        for what, two, one in (("forward", two_forward, forward.run("forward", a, b, x, y)), ("backward", two_backward, backward.run("backward", a, bt, x, y))):
            times = micros(two), micros(one)
            print(f"  matmul_gelu {what} {rows}x{n}x{k}: cuBLAS and gelu {times[0]:.1f} us, one kernel {times[1]:.1f} us, {2 * rows * n * k / times[1] / 1e6:.0f} TFLOP/s", flush=True)


if __name__ == "__main__":
    matmul_gelu(sys.argv[1])
    torch.cuda.synchronize()
    print(f"matmul_gelu: {report.failures} failures", flush=True)
    sys.exit(1 if report.failures else 0)
