"""PyTorch's training step (bf16 autocast, torch.compile, fused AdamW, clip 1.0), the peer of CudaStepBench.

usage: step_peer.py gpt2|char, or on several GPUs, a micro-batch each, by DistributedDataParallel:
torchrun --standalone --nproc-per-node 2 step_peer.py gpt2|char
"""
import os
import statistics
import sys
import time

import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

from gpt import Gpt

torch.set_float32_matmul_precision("high")
torch.manual_seed(1)
rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
torch.cuda.set_device(rank)
if world > 1:
    torch.distributed.init_process_group("nccl")
gpt2 = sys.argv[1] == "gpt2"
B, T, V = (32, 1024, 50304) if gpt2 else (64, 256, 65)
model = Gpt(V, T, *((12, 12, 768, 0.0) if gpt2 else (6, 6, 384, 0.2))).cuda()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
tokens = torch.randint(65 if not gpt2 else 50257, (B, T), device="cuda")
targets = torch.randint(65 if not gpt2 else 50257, (B, T), device="cuda")
if world > 1:
    model = DistributedDataParallel(model, gradient_as_bucket_view=True)
compiled = torch.compile(model, mode=None if gpt2 else "reduce-overhead")


def step():
    with torch.autocast("cuda", torch.bfloat16):
        _, loss = compiled(tokens, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


for _ in range(12):
    step()
torch.cuda.synchronize()
times = []
for _ in range(5):
    begin = time.perf_counter()
    for _ in range(20):
        step()
    torch.cuda.synchronize()
    times.append((time.perf_counter() - begin) / 20 * 1e3)
median = statistics.median(times)
if rank == 0:
    print(f"  PyTorch {torch.__version__} compiled, {sys.argv[1]}, {world} GPU(s): {median:.3f} ms a step, "
          f"{world * B * T / median * 1e3:,.0f} tokens/s, peak memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
if world > 1:
    torch.distributed.destroy_process_group()
