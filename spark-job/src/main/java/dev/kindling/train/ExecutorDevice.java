package dev.kindling.train;

import dev.kindling.coordinate.FatalJobException;
import dev.kindling.coordinate.Member;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.train.ClusterSection.DeviceChoice;
import dev.kindling.train.TrainSection.PrecisionChoice;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;

/**
 * Opens what a rank computes on: the GPU that Spark gave its task, or the CPU.
 * {@code auto} takes the GPU where Spark gave one. One rank owns one GPU, which the driver checks by its UUID.
 */
public final class ExecutorDevice {
    /** Spark's setting for the threads of an executor's CPU device; by default its cores. */
    public static final String CPU_THREADS = "spark.kindling.cpu.threads";

    private ExecutorDevice() {}

    /** @throws FatalJobException if CUDA is asked for by name, or Spark gave a GPU, and CUDA cannot run */
    static Device open(TrainConfig config, Member member) {
        TaskContext task = TaskContext.get();
        ResourceInformation gpu = task.resourcesJMap().get("gpu");
        DeviceChoice choice = config.cluster().device();
        if (choice == DeviceChoice.CPU || (choice == DeviceChoice.AUTO && gpu == null)) {
            return new CpuDevice(cpuThreads(SparkEnv.get().conf()), precision(config, Precision.FP32));
        }
        if (gpu == null) {
            throw new FatalJobException(
                    "cluster.device is cuda, but Spark gave this task no GPU; set spark.executor.resource.gpu.amount=1 and spark.task.resource.gpu.amount=1 with a discovery script (conf/gpu-discovery.sh), or use --device cpu");
        }
        Optional<String> reason = CudaDevice.whyNot();
        if (reason.isPresent()) {
            throw new FatalJobException(
                    "cannot use GPU %s: %s; fix that, or use --device cpu".formatted(gpu.addresses()[0], reason.get()));
        }
        CudaDevice device = CudaDevice.open(Integer.parseInt(gpu.addresses()[0]), precision(config, Precision.BF16));
        member.claimGpu(device.uuid());
        return device;
    }

    /** The threads of an executor's CPU device. */
    public static int cpuThreads(SparkConf conf) {
        int threads = conf.getInt(CPU_THREADS, conf.getInt("spark.executor.cores", 1));
        if (threads < 1) {
            throw new ConfigException("%s is %d; set it to 1 or more".formatted(CPU_THREADS, threads));
        }
        return threads;
    }

    private static Precision precision(TrainConfig config, Precision automatic) {
        PrecisionChoice choice = config.train().precision();
        return choice == PrecisionChoice.AUTO ? automatic : Precision.valueOf(choice.name());
    }
}
