"""GPU time of each kernel in one eager training step of CudaStepBench, by Nsight Compute.

usage: step_kernels.py COMMAND ...     e.g. step_kernels.py java -cp CLASSPATH dev.kindling.bench.CudaStepBench char
The clocks are left as they are; ncu runs one kernel at a time, so gaps between kernels are not in these times.
"""
import csv
import io
import re
import subprocess
import sys
from collections import defaultdict

LAUNCHES = 1200  # at least two whole steps
FIRST = "embedding_forward"  # a step's first kernel

ncu = ["ncu", "--csv", "--page", "raw", "--print-units", "base", "--clock-control", "none", "--cache-control", "none",
       "--metrics", "gpu__time_duration.sum", "--launch-count", str(LAUNCHES), "--kill", "yes",
       "--target-processes", "all"]
output = subprocess.run(ncu + sys.argv[1:], capture_output=True, text=True).stdout
start = output.find('"ID"')
if start < 0:
    sys.exit("ncu measured nothing: " + output[-2000:])
rows = list(csv.DictReader(io.StringIO(output[start:])))[1:]  # the first row holds units
kernels = [(re.sub(r"\(.*|^void ", "", row["Kernel Name"])[:70], row["Grid Size"], float(row["gpu__time_duration.sum"].replace(",", "")) / 1e3)
           for row in rows if row["gpu__time_duration.sum"]]
starts = [i for i, kernel in enumerate(kernels) if kernel[0].startswith(FIRST)]
if len(starts) < 3:
    sys.exit(f"{LAUNCHES} launches hold {len(starts)} steps; two whole ones are needed")
step = kernels[starts[1]:starts[2]]
groups = defaultdict(list)
for name, grid, micros in step:
    groups[name, grid].append(micros)
total = sum(micros for _, _, micros in step)
print(f"{len(step)} kernels, {total:.0f} us")
for (name, grid), times in sorted(groups.items(), key=lambda item: -sum(item[1])):
    print(f"{sum(times):8.1f} us {100 * sum(times) / total:5.1f} % {len(times):4d} x {sum(times) / len(times):7.2f}  {name} {grid}")
