#!/bin/sh
# Compiles the kernels with nvcc, without a GPU.
#   build_cubins.sh DIR     the cubins (sm_90a) that the judge_*.py scripts load
#   build_cubins.sh check   every file for sm_80 and sm_90a, nothing kept: what CI runs where nvcc is present
set -eu
kernels=$(cd "$(dirname "$0")/../../main/resources/kernels" && pwd)
hopper="-gencode arch=compute_90a,code=sm_90a"
jobs=${JOBS:-2}

each() { # arguments of nvcc, one compilation a line
    cd "$kernels"
    xargs -P "$jobs" -I{} sh -c 'nvcc -cubin {}'
}

if [ "$1" = check ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    for target in "-arch=sm_80" "$hopper"; do
        for file in "$kernels"/*.cu; do
            name=$(basename "$file" .cu)
            for type in bf16 fp16 f32; do
                case "$name.$type" in flash_*.f32 | *_hopper.f32) continue ;; esac
                echo "$target -DACTIVATION=$type -o $out/$name.$type.cubin $name.cu"
            done
        done
        for way in forward backward; do
            for d in 32 80 96 128 256; do echo "$target -DHEAD_DIM=$d -DDROPOUT=1 -o $out/flash_$way.$d.cubin flash_$way.cu"; done
            echo "$target -DHEAD_DIM=32 -DDROPOUT=1 -o $out/flash_${way}_hopper.32.cubin flash_${way}_hopper.cu"
        done
        echo "$target -DHEAD_DIM=32 -DDROPOUT=1 -o $out/flash_backward_hopper_long.32.cubin flash_backward_hopper_long.cu"
        echo "$target -DGELU_TANH=1 -DTRANSPOSED=1 -o $out/matmul_gelu_hopper.tanh.cubin matmul_gelu_hopper.cu"
    done | each
    exit 0
fi

mkdir -p "$1"
out=$(cd "$1" && pwd)
{
    for case in "bf16 64" "fp16 32" "bf16 128" "fp16 128"; do
        set -- $case
        case "$2" in 128) hopper_file=_hopper_128 long= ;; *) hopper_file=_hopper long=flash_backward_hopper_long ;; esac
        for c in 0 1; do
            for r in 0 1; do
                for file in flash_forward flash_backward flash_forward$hopper_file flash_backward$hopper_file $long; do
                    case "$file.$r" in *_hopper_128.1) continue ;; esac # mma.sync's
                    echo "-DACTIVATION=$1 -DHEAD_DIM=$2 -DCAUSAL=$c -DDROPOUT=$r -o $out/$file.$1.d$2.c$c.r$r.cubin $file.cu"
                done
            done
        done
    done
    for case in "bf16 64 64 1 0 0 0" "bf16 128 96 0 1 1 0" "fp16 32 32 0 0 2 0" "f32 64 64 1 0 0 0" "f32 64 64 1 0 0 1" "f32 40 24 0 1 2 1" "f32 128 128 0 0 1 0"; do
        set -- $case
        for file in efficient_forward efficient_backward; do
            echo "-DACTIVATION=$1 -DHEAD_DIM=$2 -DVALUE_DIM=$3 -DCAUSAL=$4 -DDROPOUT=$5 -DMASK=$6 -DSTRICT=$7 -o $out/$file.$1.d$2.v$3.c$4.r$5.m$6.s$7.cubin $file.cu"
        done
    done
    for case in "bf16 1 0" "f32 0 1" "bf16 0 2"; do
        set -- $case
        echo "-DACTIVATION=$1 -DCAUSAL=$2 -DMASK=$3 -o $out/attention_math.$1.c$2.m$3.cubin attention_math.cu"
    done
    for case in "bf16 768" "bf16 384" "f32 207" "bf16 1600"; do
        set -- $case
        for file in residual_layernorm_forward residual_layernorm_backward; do
            echo "-DACTIVATION=$1 -DCHANNELS=$2 -o $out/$file.$1.$2.cubin $file.cu"
        done
    done
    for case in "bf16 3072" "bf16 1536" "f32 207"; do
        set -- $case
        echo "-DACTIVATION=$1 -DCHANNELS=$2 -DGELU_TANH=0 -o $out/gelu.$1.$2.erf.cubin gelu.cu"
        echo "-DACTIVATION=$1 -DCHANNELS=$2 -DGELU_TANH=1 -o $out/gelu.$1.$2.tanh.cubin gelu.cu"
    done
    for case in "bf16 3072 768" "bf16 1536 384" "fp16 320 192"; do
        set -- $case
        for t in 0 1; do
            options="-DACTIVATION=$1 -DCHANNELS=$2 -DSUMMED=$3 -DTRANSPOSED=$t"
            echo "$options -DGELU_TANH=0 -o $out/matmul_gelu.$1.$2.$3.erf.t$t.cubin matmul_gelu_hopper.cu"
            echo "$options -DGELU_TANH=1 -o $out/matmul_gelu.$1.$2.$3.tanh.t$t.cubin matmul_gelu_hopper.cu"
        done
    done
    for case in "bf16 50257 50304" "f32 65 72" "bf16 65 128"; do
        set -- $case
        echo "-DACTIVATION=$1 -DVOCABULARY=$2 -DPADDED=$3 -o $out/cross_entropy.$1.$2.$3.cubin cross_entropy.cu"
    done
    for case in "bf16 768 50257" "bf16 384 65" "f32 207 65"; do
        set -- $case
        echo "-DACTIVATION=$1 -DCHANNELS=$2 -DVOCABULARY=$3 -o $out/embedding.$1.$2.$3.cubin embedding.cu"
    done
    for c in 207 8 2304; do echo "-DCHANNELS=$c -o $out/column_sum.bf16.$c.cubin column_sum.cu"; done
    for file in adamw global_norm; do echo "-o $out/$file.bf16.cubin $file.cu"; done
} | sed "s|^|$hopper |" | each
