package dev.kindling.model;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;

/**
 * Opens the device of a rank: the GPU that Spark gave to its task, or the CPU. {@code cluster.device: auto} takes the GPU
 * if there is one. A GPU belongs to one rank, which the driver checks by the GPU's UUID.
 */
public final class ExecutorDevice {
    /** Spark's setting for the threads of an executor's CPU device; by default its cores. */
    public static final String CPU_THREADS = "spark.kindling.cpu.threads";

    private ExecutorDevice() {}

    /** Opens a rank's device, and claims it where it is a GPU. */
    public static Device open(TrainConfig config, RankSession session) {
        Device device = open(config);
        claim(device, session);
        return device;
    }

    /** Opens the device that a configuration asks for. */
    public static Device open(TrainConfig config) {
        return open(config.cluster().device(), config.train().precision());
    }

    /** Claims a device for a rank where it is a GPU. */
    public static void claim(Device device, RankSession session) {
        if (device instanceof CudaDevice gpu) {
            session.claimGpu(gpu.uuid());
        }
    }

    /**
     * Opens the device of the task that this thread runs; precision {@code auto} is bf16 on a GPU and fp32 on the CPU.
     *
     * @throws FatalJobException if CUDA is asked for by name, or Spark gave a GPU, and CUDA cannot run
     */
    public static Device open(DeviceChoice choice, PrecisionChoice precision) {
        Optional<Integer> gpu = gpu();
        if (choice == DeviceChoice.CPU || (choice == DeviceChoice.AUTO && gpu.isEmpty())) {
            if (precision == PrecisionChoice.FP8) {
                throw new FatalJobException(
                        "train.precision is fp8, which needs a Hopper GPU, and Spark gave this task no GPU; set"
                                + " train.precision to bf16 or fp32");
            }
            return new CpuDevice(cpuThreads(SparkEnv.get().conf()), precision.or(Precision.FP32));
        }
        if (gpu.isEmpty()) {
            throw new FatalJobException(
                    "cluster.device is cuda, but Spark gave this task no GPU; set spark.executor.resource.gpu.amount=1 and spark.task.resource.gpu.amount=1 with a discovery script (conf/gpu-discovery.sh), or use --device cpu");
        }
        Optional<String> reason = CudaDevice.whyNot();
        if (reason.isPresent()) {
            throw new FatalJobException(
                    "cannot use GPU %s: %s; fix that, or use --device cpu", gpu.get(), reason.get());
        }
        Precision chosen = precision.or(Precision.BF16);
        CudaDevice.whyNot(gpu.get(), chosen).ifPresent(refusal -> {
            throw new FatalJobException(refusal);
        });
        return CudaDevice.open(gpu.get(), chosen);
    }

    /** The GPU that Spark gave to the task that this thread runs, by its position; empty where it gave none. */
    public static Optional<Integer> gpu() {
        ResourceInformation gpu = TaskContext.get().resourcesJMap().get("gpu");
        return Optional.ofNullable(gpu).map(given -> Integer.parseInt(given.addresses()[0]));
    }

    /** The threads of an executor's CPU device. */
    public static int cpuThreads(SparkConf conf) {
        int threads = conf.getInt(CPU_THREADS, conf.getInt("spark.executor.cores", 1));
        if (threads < 1) {
            throw new ConfigException("%s is %d; set it to 1 or more", CPU_THREADS, threads);
        }
        return threads;
    }
}
