"""PyTorch's training step (bf16 autocast, torch.compile, fused AdamW, clip 1.0), the peer of CudaStepBench.

usage: step_peer.py gpt2|char|350m|774m|1558m, or on several GPUs, a micro-batch each, by DistributedDataParallel:
torchrun --standalone --nproc-per-node 2 step_peer.py gpt2|char
STEP_PEER_TURN names files, separated by colons: where it is set, the steps are timed once for each of them, as soon as it is
there, so that models can be compiled before and take turns with others.
"""
import os
import statistics
import sys
import time

import pynvml
import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

from gpt import Gpt

torch.set_float32_matmul_precision("high")
torch.manual_seed(1)
pynvml.nvmlInit()
rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
torch.cuda.set_device(rank)
if world > 1:
    torch.distributed.init_process_group("nccl")
MODELS = {  # B, T, ids, layers, heads, width, dropout, bias
    "gpt2": (32, 1024, 50257, 12, 12, 768, 0.0, False),
    "char": (64, 256, 65, 6, 6, 384, 0.2, False),
    "350m": (16, 1024, 50257, 24, 16, 1024, 0.0, True),
    "774m": (8, 1024, 50257, 36, 20, 1280, 0.0, True),
    "1558m": (8, 1024, 50257, 48, 25, 1600, 0.0, True),
}
name = sys.argv[1]
B, T, ids, *shape = MODELS[name]
model = Gpt(50304 if ids == 50257 else ids, T, *shape).cuda()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
tokens, targets = (torch.randint(ids, (B, T), device="cuda") for _ in range(2))
if world > 1:
    model = DistributedDataParallel(model, gradient_as_bucket_view=True)
compiled = torch.compile(model, mode="reduce-overhead" if name == "char" else None)


def step():
    with torch.autocast("cuda", torch.bfloat16):
        _, loss = compiled(tokens, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def millis(steps):
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) / steps * 1e3


def joules():
    return pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(rank)) / 1e3


def wait_for(file):
    torch.cuda.empty_cache()
    print(f"  {name} is compiled and waits for {file}", flush=True)
    while not os.path.exists(file):
        time.sleep(0.1)


def report():
    millis(9)
    steps = max(3, int(1000 / millis(3)))
    before = joules()
    times = [millis(steps) for _ in range(5)]
    drawn = (joules() - before) / (5 * steps * B * T) * 1e3
    median = statistics.median(times)
    if rank == 0:
        print(f"  PyTorch {torch.__version__} compiled, {name}, {world} GPU(s): {median:.3f} ms a step, "
              f"{world * B * T / median * 1e3:,.0f} tokens/s, {drawn:.4f} J per thousand tokens, "
              f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB", flush=True)


millis(3)
turns = os.environ.get("STEP_PEER_TURN")
for turn in turns.split(":") if turns else [None]:
    if turn:
        wait_for(turn)
    report()
if world > 1:
    torch.distributed.destroy_process_group()
