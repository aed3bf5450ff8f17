"""PyTorch's attention, to be timed beside ours, and how times are told."""
import torch
import torch.nn.functional as F


def torch_runs(q, k, v, dO, causal, p):
    """PyTorch's forward, and its forward and backward, through FLASH and cuDNN."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    runs = {}
    for name, backend in (("torch FLASH", SDPBackend.FLASH_ATTENTION), ("cuDNN", SDPBackend.CUDNN_ATTENTION)):

        def forward(backend=backend, inputs=(q, k, v)):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(*inputs, dropout_p=p, is_causal=causal)

        def both(forward=forward, inputs=[x.detach().requires_grad_() for x in (q, k, v)]):
            torch.autograd.grad(forward(inputs=inputs), inputs, dO)

        runs[name] = forward, both
    return runs


def torch_micros(run, repeats=20):
    """Mean device time of one run, by events, of what a graph does not take."""
    for _ in range(3):
        run()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1000 / repeats


def forward_flops(shape):
    """Of causal scores, those that are seen."""
    _, b, h, t, d, causal = shape[:6]
    return 4 * b * h * t * d * ((t + 1) / 2 if causal else t)


def rates(case, forward, both):
    """Backward counts as 2.5 times forward."""
    return f"{forward_flops(case) / forward / 1e6:.0f} / {3.5 * forward_flops(case) / both / 1e6:.0f} TFLOP/s"


def named(case):
    dtype, b, h, t, d, causal, p = case
    return f"{b},{h},{t},{d} {dtype}{' causal' if causal else ''}{f' dropout {p}' if p else ''}"
