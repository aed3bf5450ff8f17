#!/usr/bin/env bash
# Spark's GPU discovery script: prints the addresses (indices) of this host's NVIDIA GPUs as the JSON that Spark reads.
set -euo pipefail
addresses=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd, -)
echo "{\"name\": \"gpu\", \"addresses\": [$addresses]}"
