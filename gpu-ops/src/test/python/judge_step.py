"""Compares a pass that dev.kindling.bench.ParityDump wrote with PyTorch in float64: losses, logits, every gradient.

usage: judge_step.py DIR TOLERANCE     (relative norm of the error; exit 1 where it is exceeded)
"""
import sys

import numpy as np
import torch

from gpt import Gpt

directory, tolerance = sys.argv[1], float(sys.argv[2])
lines = [line.split() for line in open(f"{directory}/layout.txt")]
vocabulary, padded, block, layers, heads, width = map(int, lines[0][1:])
read = lambda name, kind: np.fromfile(f"{directory}/{name}", kind)
weights, gradients = read("weights.f32", np.float32), read("gradients.f32", np.float32)
model = Gpt(vocabulary, block, layers, heads, width, bias=True).double()


def ours(name):
    """The parameter that the file's name means, and whether the file holds it transposed: (in, out)."""
    parts = name.split(".")
    if parts[0] != "h":
        return model.get_parameter(name), False
    if parts[2].startswith("ln"):
        return model.get_parameter(name), False
    layer = {"attn.c_attn": "c_attn", "attn.c_proj": "attn_proj", "mlp.c_fc": "c_fc", "mlp.c_proj": "mlp_proj"}
    linear = layer[f"{parts[2]}.{parts[3]}"]
    return model.get_parameter(f"h.{parts[1]}.{linear}.{parts[4]}"), parts[4] == "weight"


def tensor(flat, name, offset, shape):
    parameter, transposed = ours(name)
    value = flat[offset:offset + int(np.prod(shape))].reshape(shape).astype(np.float64)
    value = value[:vocabulary] if name == "wte.weight" else value
    return parameter, torch.from_numpy(value.T.copy() if transposed else value)


entries = [(n, int(o), [int(e) for e in s]) for n, o, *s in lines[1:]]
with torch.no_grad():
    for entry in entries:
        parameter, value = tensor(weights, *entry)
        parameter.copy_(value)
tokens = torch.from_numpy(read("tokens.i32", np.int32).astype(np.int64)).view(-1, block)
targets = torch.from_numpy(read("targets.i32", np.int32).astype(np.int64)).view(-1, block)
logits, loss = model(tokens, targets)
loss.backward()
failures = 0


def judge(name, actual, expected):
    global failures
    error = (actual - expected).norm().item() / expected.norm().item()
    if not error <= tolerance:
        failures += 1
        print(f"  FAILED {name}: relative error {error:.2e} > {tolerance}")
    return error


worst = judge("logits", torch.from_numpy(read("logits.f32", np.float32).reshape(-1, padded)[:, :vocabulary].astype(np.float64)),
              logits.detach().view(-1, vocabulary))
worst = max(worst, judge("loss", torch.tensor(read("losses.f32", np.float32).astype(np.float64).mean()), loss.detach()))
for entry in entries:
    parameter, value = tensor(gradients, *entry)
    worst = max(worst, judge(f"gradient of {entry[0]}", value, parameter.grad))
print(f"  {directory}: loss {loss.item():.6f}, {len(entries)} gradients, worst relative error {worst:.2e}, {failures} failures")
sys.exit(failures > 0)
