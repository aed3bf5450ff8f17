#!/bin/bash
# compute-sanitizer over every test that runs on a GPU: a line a tool and part, a summary last; exit 1 unless all are clean.
#
# usage: sanitize.sh CLASSPATH LOGS     CLASSPATH: test classes, what they need, junit-platform-console; LOGS: a folder
# TOOLS (racecheck initcheck memcheck synccheck), JOBS parts side by side (processors), LIMIT seconds for everything (400): what is
# not done by then is cut, and said to be. memcheck does not report calls that fail: a test asks for too much memory. initcheck
# passes flash attention's backward kernels by: it does not see the bulk copies by which flash_backward_hopper*.cu write sums.
set -u
classpath=$1 logs=$2
cuda=dev.kindling.device.cuda gpt=method:dev.kindling.nn.CudaGptTest
# The longest first.
parts="class:$cuda.FusedAttentionTest class:$cuda.CudaBf16OpsTest class:$cuda.CudaFp32OpsTest
$gpt#fiftyStepsInHalfPrecisionAreBitwiseEqual $gpt#fiftyStepsFromOneStateAreBitwiseEqual $gpt#backendsAgreeUnderDropout
$gpt#lossAndGradientsAgreeWithDoublePrecision(dev.kindling.device.Gelu\$Form)
$gpt#packedDocumentsGiveTheGradientOfEachAlone $gpt#packedDocumentsGiveTheLossesOfEachAlone
$gpt#decodingTokenByTokenGivesTheLogitsOfTheWhole class:$cuda.CudaDeviceTest
class:$cuda.Fp8OpsTest class:$cuda.Fp8FusedOpsTest class:dev.kindling.nn.CudaFp8GptTest"
java="java -Xmx2g --add-modules jdk.incubator.vector -Dgpu.required=true -Dtest.repeats=2 -cp $classpath \
org.junit.platform.console.ConsoleLauncher execute --disable-banner --details=testfeed"
end=$(($(date +%s) + ${LIMIT:-400}))
export java logs end
mkdir -p "$logs"

sanitize() {
    local part=${2%%(*} begun options="--error-exitcode 99" name code summary left verdict
    name=$1.${part##*.}
    begun=$(date +%s)
    left=$((end - begun))
    [ $left -gt 0 ] || { echo "CUT: $name, not begun"; return; }
    [ "$1" = memcheck ] && options+=" --report-api-errors no"
    [ "$1" = initcheck ] && options+=" --kernel-name-exclude kernel_substring=flash_attention_backward"
    timeout --kill-after=5 $left compute-sanitizer --tool "$1" $options --log-file "$logs/$name.log" $java --select="$2" \
        > "$logs/$name.txt" 2>&1
    code=$?
    summary=$(grep -hs SUMMARY "$logs/$name.log" | tail -n 1)
    case $code in
        0) [ -n "$summary" ] && verdict=clean || verdict="NOT CLEAN" ;;
        124 | 137) verdict=CUT ;;
        *) verdict="NOT CLEAN" ;;
    esac
    echo "$verdict: $name, exit $code, $(($(date +%s) - begun)) s, ${summary:-no summary}"
}
export -f sanitize

for tool in ${TOOLS:-racecheck initcheck memcheck synccheck}; do
    for part in $parts; do echo "$tool $part"; done
done | xargs -P "${JOBS:-$(nproc)}" -L 1 bash -c 'sanitize "$1" "$2"' _ | tee "$logs/summary.txt"
count() { grep -c "^$1" "$logs/summary.txt"; }
echo "$(count clean) clean, $(count 'NOT CLEAN') not clean, $(count CUT) cut"
! grep -qE "^(NOT CLEAN|CUT)" "$logs/summary.txt"
