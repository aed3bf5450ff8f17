"""Holds `import`, `train.init_from`, `export` and the tokenizers against transformers, on a host with torch and transformers.

Needs no network. With the jar built and a class path that has the test classes, from the root of the checkout:

    CP=spark-job/target/test-classes:spark-job/target/kindling.jar:$(echo JARS_OF_SPARK | tr ' ' ':')
    python3 spark-job/src/test/python/judge_hf.py WORK "$CP" cpu cuda       # devices; about 90 s

WORK is made anew. What differs by more than the limits is printed, and the exit code is 1.

1. transformers makes four random GPT-2s (biases; biases zeroed; BF16; shards), each with a byte-level BPE tokenizer of
   its own; Kindling imports them. fp32 logits within 1e-4, mean loss within 1e-5, and the same ids.
2. Kindling trains 50 steps on the first and exports it; so it does with a char and a gpt2 model of its own. transformers
   opens the exports: logits and losses as above, and AutoTokenizer gives Kindling's ids.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

T = 32
failed = False


def nasty():
    letters = [chr(c) for c in range(32, 0x900)] + [chr(c) for c in range(0x900, 0x110000, 97) if not 0xD800 <= c <= 0xDFFF]
    return ("".join(letters) + "It's we'll THEY'RE  don't\u2019s 'tis 'S\n\n\n\tx  \u00a0\u3000 \u2028 y\r\n 12\u00bd34 \u0664\u2167 "
            "\u4e2d\u6587\u5b57\u7b26\u3001\u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \U0001f600\U0001f468\u200d\U0001f469 e\u0301   ")


def check(what, ok, value=""):
    global failed
    failed |= not ok
    print(f"{'ok  ' if ok else 'FAIL'} {what} {value}", flush=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:])
        sys.exit(f"failed: {' '.join(command)}")
    return done.stdout


def make(work, text):
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([text, "the king and a queen did walk upon the night " * 50], vocab_size=700,
                            special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    for name in ("bias", "zeroed", "bf16", "sharded"):
        torch.manual_seed(len(name))
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_positions=T, n_embd=64, n_layer=3, n_head=2,
                                           initializer_range=0.1, bos_token_id=0, eos_token_id=0))
        for parameter, values in model.named_parameters():
            if parameter.endswith(".bias"):
                torch.nn.init.zeros_(values) if name == "zeroed" else torch.nn.init.normal_(values, std=0.1)
        if name == "bf16":
            model = model.to(torch.bfloat16)
        folder = f"{work}/hf-{name}"
        model.save_pretrained(folder, **({"max_shard_size": "500KB"} if name == "sharded" else {}))
        tokenizer.save_pretrained(folder)
        print(folder, sorted(os.listdir(folder)))
    return ["bias", "zeroed", "bf16", "sharded"]


def compare(run_directory, folder, text, devices):
    """Holds the dumps beside a run against transformers' model and tokenizer in a folder."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    windows = torch.from_numpy(np.fromfile(run_directory + ".windows", dtype="<i4").reshape(-1, T + 1).astype(np.int64))
    with torch.no_grad():
        logits = model(windows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).item()
    for device in devices:
        ours = np.fromfile(f"{run_directory}.{device}.logits", dtype="<f4").reshape(logits.shape)
        apart = np.abs(ours - logits.numpy()).max()
        check(f"{run_directory} {device}: logits of size {logits.abs().max():.2f} apart by", apart < 1e-4, f"{apart:.1e}")
        apart = abs(np.fromfile(f"{run_directory}.{device}.losses", dtype="<f4").astype(np.float64).mean() - loss)
        check(f"{run_directory} {device}: loss {loss:.4f} apart by", apart < 1e-5, f"{apart:.1e}")
    theirs = AutoTokenizer.from_pretrained(folder)
    ids = np.fromfile(run_directory + ".ids", dtype="<i4").tolist()
    check(f"{run_directory}: the ids of {len(text)} characters", theirs(text, add_special_tokens=False)["input_ids"] == ids, len(ids))
    check(f"{run_directory}: the ids' text", theirs.decode(ids) == text)


def main(work, class_path, *devices):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    text = nasty()
    with open(f"{work}/nasty.txt", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    corpus = f"{work}/corpus.txt"
    with open(corpus, "w", encoding="utf-8", newline="") as file:
        file.write(text * 3)
    runs = {}
    for name in make(work, text):
        out = f"{work}/{name}"
        print(run("./submit.sh", "import", "--from", f"{work}/hf-{name}", "--out", out))
        runs[out] = f"{work}/hf-{name}"
    small = ["--device", devices[-1], "--executors", "1", "--export", "hf"]
    for setting in (f"data.corpus={corpus}", "model.n_layer=3", "model.n_head=2", "model.n_embd=64", f"model.block_size={T}",
                    "train.global_batch=8", "train.micro_batch=8", "train.lr=1e-3", "train.warmup_steps=5",
                    "train.eval_batches=2", "cluster.min_executors=1"):
        small += ["--set", setting]
    tuned = ["--set", "model.bias=true", "--set", "model.activation=gelu_tanh", "--set", "data.tokenizer=bpe",
             "--set", f"train.init_from={work}/hf-bias", "--set", "train.max_steps=50"]
    for name, more in (("tuned", tuned), ("char", ["--set", "train.max_steps=5"]),
                       ("gpt2", ["--set", "data.tokenizer=gpt2", "--set", "train.max_steps=5"])):
        out = f"{work}/{name}"
        print(run("./submit.sh", "train", "--config", "shakespeare-char-cpu", "--out", out, *small, *more)[-700:])
        runs[out] = f"{out}/hf"
    for out, folder in runs.items():
        vocabulary = AutoModelForCausalLM.from_pretrained(folder).config.vocab_size
        np.random.default_rng(7).integers(0, vocabulary, (3, T + 1)).astype("<i4").tofile(out + ".windows")
    for device in devices:
        print(run("java", "--add-modules=jdk.incubator.vector", "-cp", class_path, "dev.kindling.bench.LogitsDump", device,
                  f"{work}/nasty.txt", *runs))
    for out, folder in runs.items():
        compare(out, folder, text, devices)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
