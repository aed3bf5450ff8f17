"""Loads cubins and launches their kernels through the CUDA driver, on torch's context and stream."""
import ctypes
import statistics
import struct

import torch

torch.cuda.init()
_first = torch.zeros(8, 8, device="cuda")
_first @ _first  # the context and cuBLAS are up before a graph is captured
_cuda = ctypes.CDLL("libcuda.so.1")
_MAX_DYNAMIC_SHARED = 8

# By a type's name in the kernels: torch's, and the relative error allowed to results and to sums of gradients.
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "f32": torch.float32}
LIMIT = {"bf16": 5e-3, "fp16": 1e-3, "f32": 2e-6}
GRADIENT = {"bf16": 1e-2, "fp16": 2e-3, "f32": 1e-5}


def check(code, call):
    if code:
        text = ctypes.c_char_p()
        _cuda.cuGetErrorString(code, ctypes.byref(text))
        raise RuntimeError(f"{call}: {code} {text.value}")


class Module:
    def __init__(self, path):
        self.path = path
        self._module = ctypes.c_void_p()
        check(_cuda.cuModuleLoad(ctypes.byref(self._module), path.encode()), f"load {path}")
        self._functions, self._constants = {}, {}

    def constant(self, name):
        """An int that the kernel file publishes (tile heights, shared memory bytes)."""
        if name in self._constants:
            return self._constants[name]
        pointer, size, value = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_int()
        check(_cuda.cuModuleGetGlobal_v2(ctypes.byref(pointer), ctypes.byref(size), self._module, name.encode()), name)
        check(_cuda.cuMemcpyDtoH_v2(ctypes.byref(value), pointer, ctypes.c_size_t(4)), name)
        self._constants[name] = value.value
        return value.value

    def launch(self, name, grid, block, *arguments, shared=0):
        if name not in self._functions:
            function = ctypes.c_void_p()
            check(_cuda.cuModuleGetFunction(ctypes.byref(function), self._module, name.encode()), name)
            self._functions[name] = function
        function = self._functions[name]
        if shared > 48 * 1024:
            check(_cuda.cuFuncSetAttribute(function, _MAX_DYNAMIC_SHARED, shared), name)
        values = [_argument(a) for a in arguments]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.cast(ctypes.pointer(v), ctypes.c_void_p) for v in values])
        grid, block = _three(grid), _three(block)
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        check(_cuda.cuLaunchKernel(function, *grid, *block, shared, stream, pointers, None), f"launch {name}")


def _three(size):
    size = (size,) if isinstance(size, int) else tuple(size)
    return size + (1,) * (3 - len(size))


def _argument(value):
    if value is None:
        return ctypes.c_void_p(0)
    if isinstance(value, torch.Tensor):
        return ctypes.c_void_p(value.data_ptr())
    if isinstance(value, bytes):
        return ctypes.create_string_buffer(value, len(value))
    if isinstance(value, float):
        return ctypes.c_float(value)
    if isinstance(value, int):
        return ctypes.c_int(value)
    return value  # a ctypes value


def tensor_map(matrix, rows):
    """The copy engine's view of a (rows, columns) bf16 or fp16 matrix: boxes of `rows` rows, 64 columns, swizzled by 128 bytes."""
    space = ctypes.create_string_buffer(128 + 64)
    at = (ctypes.addressof(space) + 63) // 64 * 64  # aligned as the driver wants it
    extents, strides = (ctypes.c_uint64 * 2)(*reversed(matrix.shape)), (ctypes.c_uint64 * 1)(matrix.stride(0) * 2)
    box, steps = (ctypes.c_uint32 * 2)(64, rows), (ctypes.c_uint32 * 2)(1, 1)
    dtype = 9 if matrix.dtype == torch.bfloat16 else 6
    address = ctypes.c_void_p(matrix.data_ptr())
    code = _cuda.cuTensorMapEncodeTiled(ctypes.c_void_p(at), dtype, 2, address, extents, strides, box, steps, 0, 3, 2, 0)
    check(code, "cuTensorMapEncodeTiled")
    return ctypes.string_at(at, 128)


def pointer(tensor):
    return 0 if tensor is None else tensor.data_ptr()


def step_state(seed=0x123456789ABCDEF, stream=5, lr=0.0, step=1, beta1=0.9, beta2=0.95, loss_scale=1.0):
    packed = struct.pack("<QQ6f", seed, stream, lr, 1 - beta1**step, 1 - beta2**step, loss_scale, 0.0, 1.0)
    return torch.frombuffer(bytearray(packed), dtype=torch.uint8).cuda()


def _multiply(constant, x):
    product = x * constant  # wraps; the bits are right
    return (product >> 32) & 0xFFFFFFFF, product & 0xFFFFFFFF


def philox_decisions(seed, block, site, stream):
    """(..., 8) 16-bit decisions of each 64-bit block number."""
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    c0, c1 = block & 0xFFFFFFFF, (block >> 32) & 0xFFFFFFFF
    c2, c3 = torch.full_like(block, site), torch.full_like(block, stream & 0xFFFFFFFF)
    for _ in range(10):
        h0, l0 = _multiply(0xD2511F53, c0)
        h1, l1 = _multiply(0xCD9E8D57, c2)
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    words = torch.stack([c0, c1, c2, c3], -1)
    return torch.stack([words & 0xFFFF, words >> 16], -1).flatten(-2)


def elementwise_factor(count, threshold, site, seed=0x123456789ABCDEF, stream=5):
    """The dropout factor (0 or keep scale) of each of count elements, float64."""
    e = torch.arange(count, device="cuda")
    draws = philox_decisions(seed, torch.arange((count + 7) // 8, device="cuda"), site, stream).flatten()[:count]
    assert e.numel() == draws.numel()
    return (draws >= threshold).double() * 65536 / (65536 - threshold)


def attention_factor(batch, heads, queries, keys, threshold, site, seed=0x123456789ABCDEF, stream=5):
    """The same for (B, H, Tq, Tk) attention probabilities."""
    col = torch.arange(keys, device="cuda")
    row = torch.arange(batch * heads * queries, device="cuda")
    groups = (keys + 31) // 32
    block = (row[:, None] * groups + (col // 32)[None]) * 4 + ((col % 8) // 2)[None]
    index = ((col % 32) // 8 * 2 + col % 2)[None].expand(block.shape)
    draws = philox_decisions(seed, block, site, stream).gather(-1, index[..., None])[..., 0]
    factor = (draws >= threshold).double() * 65536 / (65536 - threshold)
    return factor.view(batch, heads, queries, keys)


def micros(run, repeats=20, rounds=5):
    """Median device time of one run, by replays of a CUDA graph of `repeats` runs."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(repeats):
            run()
    graph.replay()
    times = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000 / repeats)
    return statistics.median(times)


def randn(*shape, dtype=torch.float32):
    return torch.randn(*shape, device="cuda").to(dtype)


def nan_like(x, dtype=None):
    return torch.full_like(x, float("nan"), dtype=dtype or x.dtype)


def timing(what, run, moved):
    t = micros(run)
    print(f"  {what}: {t:.1f} us, {moved / t / 1e3:.0f} GB/s", flush=True)


def relative(out, reference):
    out, reference = out.double(), reference.double()
    return ((out - reference).norm() / reference.norm().clamp_min(1e-30)).item()


class Report:
    """Prints one line a check; the last line counts the failures."""

    def __init__(self):
        self.failures = 0

    def expect(self, what, value, limit):
        good = value <= limit  # NaN fails
        self.failures += 0 if good else 1
        if not good:
            print(f"FAIL {what}: {value:.3e} > {limit:.3e}", flush=True)
        return good


def warmed(run):
    """Runs once on a stream of its own: autograd chooses the streams of backward then, and a capture must find them chosen."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)
    return run
