package dev.kindling.device.cuda;

import dev.kindling.device.PeakRate;
import dev.kindling.device.Precision;
import java.util.Locale;

/**
 * What a GPU can do at most: multiprocessors x highest clock x operations a multiprocessor does in a clock. The first two
 * are the driver's; the third belongs to the compute capability (NVIDIA's architecture whitepapers, dense rates: the
 * H100's 989 TFLOP/s of bf16 are 132 x 1.83 GHz x 4096). Cards of 8.6, 8.9 and 12.0 that are sold for games accumulate
 * in fp32 at half the rate given here. A card that does not reach its highest clock under load has a lower peak.
 */
final class CudaPeakRate {
    private CudaPeakRate() {}

    /** Without TF32, FP32 products run on the CUDA cores. Under FP8 the peak is that of bf16: part of the products stay so. */
    static PeakRate of(CudaDeviceInfo info, Precision precision, boolean tf32) {
        boolean tensorCores = precision != Precision.FP32 || tf32;
        int bf16 = bf16PerClock(info.compute());
        int perClock = precision != Precision.FP32 ? bf16 : tf32 ? bf16 / 2 : fp32PerClock(info.compute());
        if (perClock == 0) {
            return PeakRate.unknown(String.format(
                    Locale.ROOT,
                    "the rate of compute capability %d.%d is not known to this version",
                    info.compute() / 10,
                    info.compute() % 10));
        }
        double flops = (double) info.multiprocessors() * info.clockKilohertz() * 1e3 * perClock;
        return PeakRate.known(
                flops,
                String.format(
                        Locale.ROOT,
                        "%.0f TFLOP/s: %d multiprocessors x %.3f GHz (highest clock) x %d %s operations a clock on %s",
                        flops / 1e12,
                        info.multiprocessors(),
                        info.clockKilohertz() / 1e6,
                        perClock,
                        precision != Precision.FP32 ? "bf16" : tf32 ? "TF32" : "fp32",
                        tensorCores ? "tensor cores" : "CUDA cores"));
    }

    private static int bf16PerClock(int compute) {
        return switch (compute) {
            case 80, 87 -> 2048;
            case 86, 89, 120 -> 1024;
            case 90 -> 4096;
            case 100, 103 -> 8192;
            default -> 0;
        };
    }

    private static int fp32PerClock(int compute) {
        return switch (compute) {
            case 80 -> 128;
            case 86, 87, 89, 90, 100, 103, 120 -> 256;
            default -> 0;
        };
    }
}
