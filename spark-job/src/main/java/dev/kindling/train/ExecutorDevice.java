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
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;

/**
 * Opens what a rank computes on: the GPU that Spark gave its task, or the CPU with as many threads as the task has cores.
 * {@code auto} takes the GPU where Spark gave one. One rank owns one GPU, which the driver checks by its UUID.
 */
final class ExecutorDevice {
    private ExecutorDevice() {}

    /** @throws FatalJobException if CUDA is asked for by name, or Spark gave a GPU, and CUDA cannot run */
    static Device open(TrainConfig config, Member member) {
        TaskContext task = TaskContext.get();
        ResourceInformation gpu = task.resourcesJMap().get("gpu");
        DeviceChoice choice = config.cluster().device();
        if (choice == DeviceChoice.CPU || (choice == DeviceChoice.AUTO && gpu == null)) {
            return new CpuDevice(task.cpus(), precision(config, Precision.FP32));
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
        CudaDevice device =
                CudaDevice.open(Integer.parseInt(gpu.addresses()[0]), precision(config, Precision.BF16));
        member.claimGpu(device.uuid());
        return device;
    }

    private static Precision precision(TrainConfig config, Precision automatic) {
        PrecisionChoice choice = config.train().precision();
        return choice == PrecisionChoice.AUTO ? automatic : Precision.valueOf(choice.name());
    }
}
