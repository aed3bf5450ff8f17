"""nanoGPT's CPU run of shakespeare_char (4 layers, 4 heads, width 128, block 64, batch 12, 2000 steps) in PyTorch, on the
GPU in float32: the loss over the whole validation split that our training is compared with.

usage: train_peer.py TEXT SEED [SEED ...]
"""
import math
import sys

import numpy as np
import torch

from gpt import Gpt

text = open(sys.argv[1], encoding="utf-8").read()
ids = {c: i for i, c in enumerate(sorted(set(text)))}
data = torch.tensor([ids[c] for c in text])
cut = int(len(data) * 0.9)
train, val = data[:cut].cuda(), data[cut:].cuda()
B, T, STEPS = 12, 64, 2000


def learning_rate(step):
    if step < 100:
        return 1e-3 * (step + 1) / 101
    return 1e-4 + 0.5 * (1 + math.cos(math.pi * (step - 100) / (STEPS - 100))) * 9e-4


for seed in map(int, sys.argv[2:]):
    torch.manual_seed(seed)
    model = Gpt(len(ids), T, 4, 4, 128).cuda()
    decaying = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decaying, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.99), fused=True)
    generator = np.random.default_rng(seed)
    for step in range(STEPS):
        at = torch.from_numpy(generator.integers(0, len(train) - T, B)).cuda()[:, None] + torch.arange(T, device="cuda")
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        _, loss = model(train[at], train[at + 1])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    rows = (len(val) - 1) // T * T
    with torch.no_grad():
        _, loss = model(val[:rows].view(-1, T), val[1:rows + 1].view(-1, T))
    print(f"  PyTorch, seed {seed}: validation loss {loss.item():.4f} over {rows} tokens")
