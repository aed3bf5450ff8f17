package dev.kindling.device;

import java.util.OptionalDouble;

/**
 * The most floating point operations a second that a device can do under its precision: the denominator of a model
 * FLOPs utilisation (MFU).
 *
 * @param flops a second, a multiply-add counted as two; empty where it is not known
 * @param basis how {@code flops} comes about, or why it is not known
 */
public record PeakRate(OptionalDouble flops, String basis) {
    public static PeakRate known(double flops, String basis) {
        return new PeakRate(OptionalDouble.of(flops), basis);
    }

    public static PeakRate unknown(String reason) {
        return new PeakRate(OptionalDouble.empty(), reason);
    }
}
