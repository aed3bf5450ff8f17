"""Kindling beside PyTorch on the GPUs of this host: training steps on one GPU, on two if there are two, and attention.

usage: compare_with_pytorch.py CLASS_PATH CUBIN_DIR [ROUNDS]
CLASS_PATH: of the test classes of gpu-ops and spark-job and of what they need. CUBIN_DIR: made by build_cubins.sh.
JAVA: the command that starts Java ("java"), such as "env LD_LIBRARY_PATH=... java" where PyTorch needs other libraries.

Everybody runs once in each of ROUNDS (3) rounds, one after another, with the GPUs to himself; a time is the median of its
rounds, each of which is a median itself, a joule one GPU's. Prints Markdown. Exit status 1 if a run fails: its output is printed."""
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import judge_flash_attention as attention

HERE = os.path.dirname(os.path.abspath(__file__))
JAVA = shlex.split(os.environ.get("JAVA", "java")) + ["-Xmx8g", "--add-modules=jdk.incubator.vector"]
TIMED = re.compile(r"^\s*(.*?): ([0-9.]+) ms a step.*?(?:, ([0-9.]+) J per thousand tokens.*)?$", re.MULTILINE)
PATIENCE = 900  # seconds for a peer to compile, or to take its turn
BENCHES = {  # of dev.kindling.bench, by the peer that runs after them: arguments, and the rows that their lines become
    "gpt2": ("CudaStepBench gpt2 auto bf16 fp8 fp8+head compiled", {
        "bf16 captured": "GPT-2 124M, B32 T1024, bf16",
        "fp8 captured": "the same in FP8",
        "fp8+head captured": "the same in FP8, its head too",
    }),
    "char": ("CudaStepBench char compiled", {"bf16 captured": "GPU config, B64 T256, dropout 0.2, bf16"}),
    "gpt2 on two GPUs": ("RanksStepBench gpt2 2 50 peer peer:1", {
        "peer rank 0": "GPT-2 124M on two GPUs, B32 each, bf16",
        "peer:1 rank 0": "the same with train.zero: 1",
    }),
}


class Peer:
    """step_peer.py in a process of its own, which compiles at once and then waits for its turns."""

    def __init__(self, name, directory, rounds):
        self.name, self.log = name, os.path.join(directory, f"{name}.log")
        self.turns = [os.path.join(directory, f"{name.replace(' ', '-')}.{i}") for i in range(rounds)]
        many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if "two" in name else []
        command = [sys.executable, *many, os.path.join(HERE, "step_peer.py"), name.split()[0]]
        environment = os.environ | {"STEP_PEER_TURN": ":".join(self.turns)}
        self.process = subprocess.Popen(command, env=environment, stdout=open(self.log, "w"), stderr=subprocess.STDOUT)

    def wait_for(self, text, times):
        end = time.monotonic() + PATIENCE
        while True:
            ended = self.process.poll() is not None or time.monotonic() > end
            with open(self.log) as log:
                output = log.read()
            if output.count(text) >= times:
                return output
            if ended:
                fail(self.process.args, output)
            time.sleep(0.1)

    def turn(self, i):
        open(self.turns[i], "w").close()
        return list(timed(self.wait_for("ms a step", i + 1)).values())[-1]


def fail(command, output):
    sys.exit(f"failed: {shlex.join(command)}\n{output[-4000:]}")


def timed(output):
    """{what: (milliseconds a step, joules per thousand tokens or "")} of the lines that a bench or step_peer.py prints."""
    return {" ".join(what.split()): (millis, joules) for what, millis, joules in TIMED.findall(output)}


def kindling(class_path, arguments):
    bench, *rest = arguments.split()
    command = [*JAVA, "-cp", class_path, f"dev.kindling.bench.{bench}", *rest]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        fail(command, run.stdout)
    return timed(run.stdout)


def steps(class_path, rounds):
    names = [name for name in BENCHES if "two" not in name or torch.cuda.device_count() > 1]
    ours, theirs = {}, {}
    with tempfile.TemporaryDirectory() as directory:
        peers = [Peer(name, directory, rounds) for name in names]
        try:
            for peer in peers:
                peer.wait_for("waits for", 1)
            for i in range(rounds):
                for peer in peers:
                    arguments, rows = BENCHES[peer.name]
                    found = kindling(class_path, arguments)
                    for what, row in rows.items():
                        ours.setdefault((peer.name, row), []).append(found[what])
                    theirs.setdefault(peer.name, []).append(peer.turn(i))
        finally:
            for peer in peers:
                peer.process.terminate()
    print("| a training step | Kindling | J per 1,000 tokens | PyTorch, compiled | J per 1,000 tokens | time |\n|---|---|---|---|---|---|")
    for (peer, row), runs in ours.items():
        (a, aj), (b, bj) = median(runs), median(theirs[peer])
        print(f"| {row} | {a:.2f} ms | {aj} | {b:.2f} ms | {bj} | x {a / b:.2f} |", flush=True)


def median(runs):
    """Of (milliseconds, joules or "") of all rounds."""
    joules = [float(j) for _, j in runs if j]
    return statistics.median(float(ms) for ms, _ in runs), f"{statistics.median(joules):.3f}" if joules else ""


def attention_rows(cubins, rounds):
    print("\n| attention, B,H,T,D: us of forward / forward and backward | Kindling | cuDNN | FLASH (PyTorch) |\n|---|---|---|---|")
    for case, times in attention.measure(cubins, ["hopper", "long"], rounds):
        ours = "long" if "long" in times and case[3] >= 2048 else "hopper"  # as CudaFlashAttention.hopperFile
        if ours in times:
            cells = [f"{f:.1f} / {b:.1f}, {attention.rates(case, f, b)}" for f, b in (times[who] for who in (ours, "cuDNN", "torch FLASH"))]
            print(f"| {attention.named(case)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    print(f"{torch.cuda.device_count()} {torch.cuda.get_device_name()}, PyTorch {torch.__version__}, {rounds} rounds\n")
    steps(sys.argv[1], rounds)
    attention_rows(sys.argv[2], rounds)
