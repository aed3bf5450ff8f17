"""PyTorch's training step on the CPU (eager, fused AdamW, clip 1.0), in fp32 and by bf16 autocast: the peer of StepBench.

usage: cpu_step_peer.py cpu|gpu THREADS [fp32] [bf16]
"""
import statistics
import sys
import time

import torch

from gpt import Gpt

MODELS = {  # B, T, layers, heads, width, steps a round
    "cpu": (12, 64, 4, 4, 128, 20),
    "gpu": (8, 256, 6, 6, 384, 1),
}
IDS, ROUNDS, WARM_UP = 65, 5, 2
B, T, layers, heads, width, steps = MODELS[sys.argv[1]]
threads = int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(1)
tokens, targets = (torch.randint(IDS, (B, T)) for _ in range(2))


def steps_of(bf16):
    model = Gpt(IDS, T, layers, heads, width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            _, loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return step


def millis(step):
    begin = time.perf_counter()
    for _ in range(steps):
        loss = step()
    return (time.perf_counter() - begin) / steps * 1e3, loss.item()


peers = {name: steps_of(name == "bf16") for name in sys.argv[3:] or ["fp32", "bf16"]}
rounds = [{name: millis(step) for name, step in peers.items()} for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
for name in peers:
    median = statistics.median(r[name][0] for r in rounds)
    print(f"{sys.argv[1]} config, {threads} threads: PyTorch {torch.__version__} {name} {median:.2f} ms a step, "
          f"last loss {rounds[-1][name][1]:.4f} ({torch.backends.cpu.get_cpu_capability()})")
