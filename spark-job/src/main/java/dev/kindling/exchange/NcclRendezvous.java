package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.allreduce.link.Encryption;
import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.device.Device;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the ranks of a generation agree whether their GPUs talk by NCCL, and connect. The agreement and NCCL's unique id
 * travel over the generation's {@link AllReduce}, which is authenticated where Spark is.
 */
public final class NcclRendezvous {
    private static final Logger LOG = LoggerFactory.getLogger(NcclRendezvous.class);

    private NcclRendezvous() {}

    /**
     * Called by all ranks together.
     *
     * @return the connected group, or empty where gradients go over {@code control}
     * @throws FatalJobException if NCCL is asked for by name and a rank cannot use it
     */
    public static Optional<NcclCommunicator> open(
            TrainConfig config, RankSession member, AllReduce control, Device device) {
        AllReduceChoice choice = config.cluster().allreduce();
        boolean wanted = choice == AllReduceChoice.AUTO || choice == AllReduceChoice.NCCL;
        if (!wanted || control.worldSize() == 1) {
            return Optional.empty();
        }
        Optional<String> refusal = refusal(control, device).or(() -> refusal(config, control.worldSize()));
        if (refusal.isPresent()) {
            if (choice == AllReduceChoice.NCCL) {
                throw new FatalJobException(String.format(
                        Locale.ROOT,
                        "cluster.allreduce is nccl, but %s; fix that, or set it to auto or ring",
                        refusal.get()));
            }
            LOG.warn("cluster.allreduce is auto: {} sums the gradients, since {}", control.name(), refusal.get());
            return Optional.empty();
        }
        byte[] id = control.broadcast(control.rank() == 0 ? NcclCommunicator.uniqueId() : new byte[0]);
        NcclCommunicator communicator = NcclCommunicator.open(
                (CudaDevice) device,
                new NcclCommunicator.RankGroup(
                        id, control.rank(), control.worldSize(), member::check, member::endProcess));
        LOG.info("NCCL {} sums the gradients of {} GPUs", NcclCommunicator.version(), control.worldSize());
        return Optional.of(communicator);
    }

    /** Why not every rank can use NCCL, the same on all; empty if they can. */
    private static Optional<String> refusal(AllReduce control, Device device) {
        String own = host() + "\n" + whyNot(device).orElse("");
        byte[][] all = control.allGather(own.getBytes(StandardCharsets.UTF_8));
        List<String> hosts = new ArrayList<>();
        for (int rank = 0; rank < all.length; rank++) {
            String[] said = new String(all[rank], StandardCharsets.UTF_8).split("\n", 2);
            if (!said[1].isEmpty()) {
                return Optional.of(
                        String.format(Locale.ROOT, "rank %d on %s cannot use it: %s", rank, said[0], said[1]));
            }
            hosts.add(said[0]);
        }
        return refusal(Encryption.setting(SparkEnv.get().conf()), hosts);
    }

    /** @param encryption the setting of Spark that asks for it */
    static Optional<String> refusal(Optional<String> encryption, List<String> hosts) {
        return encryption
                .filter(setting -> hosts.stream().distinct().count() > 1)
                .map(setting -> setting + " is set and NCCL does not encrypt what it sends from host to host");
    }

    /** The order of NCCL's sums is its own; that of two operands does not matter. */
    private static Optional<String> refusal(TrainConfig config, int worldSize) {
        TrainSection train = config.train();
        if (train.zero() == 1 && config.cluster().compression() != Compression.NONE) {
            return Optional.of("train.zero is 1 and cluster.compression is bf16, which together go over the hosts");
        }
        boolean ordered = train.reduction() == TrainSection.Reduction.RANK
                || (worldSize == 2
                        && SumOrder.tree(train.microBatches(), worldSize).mostOperands() == 1);
        return ordered
                ? Optional.empty()
                : Optional.of(
                        "train.reduction is tree, whose order NCCL keeps for two ranks that share an even number of micro-batches only");
    }

    private static Optional<String> whyNot(Device device) {
        return device instanceof CudaDevice
                ? NcclCommunicator.whyNot()
                : Optional.of("it computes on the CPU, and NCCL sums between GPUs");
    }

    private static String host() {
        return SparkEnv.get().blockManager().blockManagerId().host();
    }
}
