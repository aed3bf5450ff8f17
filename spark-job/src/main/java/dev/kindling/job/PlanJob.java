package dev.kindling.job;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection;
import dev.kindling.config.DataSection.Packing;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.data.DataException;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaDeviceInfo;
import dev.kindling.input.Named;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.PlanOptions;
import dev.kindling.model.HostMemory;
import dev.kindling.model.HostRoom;
import dev.kindling.nn.BatchShape;
import dev.kindling.plan.HostPlan;
import dev.kindling.plan.MemoryFit;
import dev.kindling.plan.MemoryFit.Available;
import dev.kindling.plan.PlannedRank;
import dev.kindling.prepare.CorpusVocabulary;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSettings;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import org.apache.spark.SparkConf;
import org.apache.spark.network.util.JavaUtils;

/** Prints the plan of a configuration's memory, and fails where it does not fit. */
final class PlanJob implements Job<PlanOptions> {
    private final PrintStream out;

    PlanJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(PlanOptions options) throws IOException {
        TrainConfig here = TrainingSettings.resolve(options.config(), options.overrides(), Storage.settings());
        DeviceChoice choice = here.cluster().device();
        boolean cuda = options.deviceMemory().isPresent() ? choice != DeviceChoice.CPU : DriverDevice.isCuda(choice);
        TrainConfig config = cuda // on a GPU that need not be of this host
                ? TrainingSettings.resolveForGpus(options.config(), options.overrides(), Storage.settings())
                : here;
        TrainingSettings.requireEnoughMicroBatches(config);
        Optional<Available> asked = options.deviceMemory().map(size -> asked(size, cuda));
        if (!cuda && config.train().precision() == PrecisionChoice.FP8) {
            throw new ConfigException(
                    "train.precision is fp8, which needs a Hopper GPU, and there is none here; plan for"
                            + " one by --device-memory, or set train.precision to bf16 or fp32");
        }
        int batch = config.train().microBatch();
        boolean packed = config.data().packing() == Packing.DOCUMENTS;
        int vocabulary = vocabulary(config.data());
        PlannedRank rank = new PlannedRank(
                config,
                vocabulary,
                new BatchShape(batch, config.model().blockSize(), packed ? batch : 0),
                cuda,
                config.cluster().executors());
        Available available = asked.orElseGet(() -> here(cuda, config));
        MemoryFit fit = new MemoryFit(rank, available);
        out.print(fit.table());
        if (asked.isEmpty()) { // else it is for another host
            out.print(HostPlan.of(rank, room(config)).line());
        }
        fit.requireReserve();
    }

    /** That of the corpus, where it can be read from here; says which. */
    private int vocabulary(DataSection data) {
        String whyNot = "data.table is read by train alone";
        if (data.table().isEmpty()) {
            try {
                OptionalInt found = CorpusVocabulary.of(Named.corpus(data), data.tokenizer(), Storage.settings());
                if (found.isPresent()) {
                    out.printf(Locale.ROOT, "with the vocabulary of %s: %,d%n", data.corpus(), found.getAsInt());
                    return found.getAsInt();
                }
                whyNot = data.corpus() + " is long, and is not read through for its characters";
            } catch (IOException | DataException | ConfigException | PathException e) {
                whyNot = e.getMessage();
            }
        }
        int usual = data.tokenizer().usualVocabulary();
        out.printf(Locale.ROOT, "with a vocabulary of %,d, as %s; train plans with that of its text%n", usual, whyNot);
        return usual;
    }

    private static Available asked(String size, boolean cuda) {
        long bytes;
        try {
            bytes = JavaUtils.byteStringAsBytes(size);
        } catch (IllegalArgumentException e) { // also of a size beyond 2^63 bytes
            throw new ConfigException(e, "--device-memory is '%s'; give it a size like 80g or 500m", size);
        }
        if (bytes < 1 << 20) {
            throw new ConfigException("--device-memory %s is %,d bytes; give it a size like 80g or 500m", size, bytes);
        }
        return cuda
                ? Available.ofGpu("a GPU", bytes)
                : new Available(
                        "the heap of an executor", bytes, Optional.of("raise the heap (spark.executor.memory) to "));
    }

    private static Available here(boolean cuda, TrainConfig config) {
        if (cuda) {
            CudaDeviceInfo gpu = CudaDevice.devices().get(0);
            return Available.ofGpu(gpu.toString(), gpu.totalBytes());
        }
        return Available.ofHeap(
                SparkSettings.executorBytes(new SparkConf(), config.cluster().executors()), room(config));
    }

    /** Of this host, with all executors on it. */
    private static HostRoom room(TrainConfig config) {
        return new HostRoom(HostMemory.ofThisProcess(), config.cluster().executors());
    }
}
