package dev.kindling.session;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import java.util.Optional;

/** What a command without executors computes on: the first usable GPU, or all cores of this machine. */
public final class DriverDevice {
    private DriverDevice() {}

    /** Whether {@code choice} means a GPU here; a {@link FatalJobException} with the reason if it must and cannot. */
    public static boolean isCuda(DeviceChoice choice) {
        if (choice == DeviceChoice.CPU) {
            return false;
        }
        Optional<String> reason = CudaDevice.whyNot();
        if (choice == DeviceChoice.CUDA && reason.isPresent()) {
            throw new FatalJobException("cannot run on a GPU as --device cuda asks: %s", reason.get());
        }
        return reason.isEmpty();
    }

    /** {@code AUTO} precision is bf16 on a GPU and fp32 on the CPU. */
    public static Device open(boolean cuda, PrecisionChoice choice) {
        Precision precision = choice.or(cuda ? Precision.BF16 : Precision.FP32);
        return cuda
                ? CudaDevice.open(0, precision)
                : new CpuDevice(Runtime.getRuntime().availableProcessors(), precision);
    }

    /** GPUs that an embedded cluster of this host offers: none where {@code choice} is the CPU. */
    public static int gpus(DeviceChoice choice) {
        return choice == DeviceChoice.CPU || CudaDevice.whyNot().isPresent() ? 0 : CudaDevice.count();
    }

    /** The defaults of a configuration here: with GPUs an executor for each of this host. */
    public static TrainConfig defaults() {
        return gpus(DeviceChoice.AUTO) == 0 ? TrainConfig.defaults() : defaultsForGpus();
    }

    /** Those with GPUs, of which a host without one is taken to have one. */
    public static TrainConfig defaultsForGpus() {
        int gpus = Math.max(1, gpus(DeviceChoice.AUTO));
        return TrainConfig.defaults().withCluster(cluster -> cluster.withExecutors(gpus));
    }
}
