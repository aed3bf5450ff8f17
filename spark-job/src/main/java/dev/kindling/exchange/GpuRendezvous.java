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
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.device.cuda.peer.PeerAccessException;
import dev.kindling.device.cuda.peer.PeerCollectives;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the ranks of a generation agree how their GPUs exchange gradients, and connect: by reading each other's memory on
 * one host, else by NCCL. What they agree by, NCCL's unique id and the handles of memory travel over the generation's {@link
 * AllReduce}, which is authenticated where Spark is.
 */
public final class GpuRendezvous {
    private static final Logger LOG = LoggerFactory.getLogger(GpuRendezvous.class);
    /** With more GPUs it is tested with the memory of all ranks on one, and has never run with executors that fail. */
    private static final int MOST_PEERS_BY_AUTO = 2;

    private final TrainConfig config;
    private final AllReduce control;
    private final Device device;
    private final RankGroup group;
    private final List<Place> places;

    /**
     * What a rank tells the others.
     *
     * @param noGpu why it has no GPU to exchange with, or empty
     * @param noNccl why it cannot use NCCL, or empty
     */
    record Place(String host, String noGpu, String noNccl) {
        static Place of(Device device) {
            String host = SparkEnv.get().blockManager().blockManagerId().host();
            boolean gpu = device instanceof CudaDevice;
            return new Place(
                    host,
                    gpu ? "" : "it computes on the CPU",
                    gpu ? NcclCommunicator.whyNot().orElse("") : "");
        }

        byte[] told() {
            return String.join("\0", host, noGpu, noNccl).getBytes(StandardCharsets.UTF_8);
        }

        static Place heard(byte[] told) {
            String[] parts = new String(told, StandardCharsets.UTF_8).split("\0", -1);
            return new Place(parts[0], parts[1], parts[2]);
        }
    }

    private GpuRendezvous(TrainConfig config, RankSession member, AllReduce control, Device device) {
        this.config = config;
        this.control = control;
        this.device = device;
        group = new RankGroup(control.rank(), control.worldSize(), member::check, member::endProcess);
        places = new ArrayList<>();
        for (byte[] told : control.allGather(Place.of(device).told())) {
            places.add(Place.heard(told));
        }
    }

    /**
     * Called by all ranks together.
     *
     * @return the connected group, or empty where gradients go over {@code control}
     * @throws FatalJobException if what is asked for by name cannot be used by a rank
     */
    public static Optional<Collectives> open(TrainConfig config, RankSession member, AllReduce control, Device device) {
        return switch (config.cluster().allreduce()) {
            case DRIVER, RING -> Optional.empty();
            case AUTO, NCCL, PEER ->
                control.worldSize() == 1 ? Optional.empty() : new GpuRendezvous(config, member, control, device).open();
        };
    }

    private Optional<Collectives> open() {
        AllReduceChoice choice = config.cluster().allreduce();
        Optional<String> neither = noGpus(places).or(() -> refusal(config, control.worldSize()));
        Optional<String> noPeers = neither.or(
                        () -> noPeers(places, config.cluster().compression()))
                .or(() -> moreThanTried(choice));
        if (choice != AllReduceChoice.NCCL) {
            try {
                if (noPeers.isEmpty()) {
                    return Optional.of(peers());
                }
            } catch (PeerAccessException e) { // on all ranks alike
                noPeers = Optional.of("the GPUs cannot read each other's memory: " + e.getMessage());
            }
            refuse(AllReduceChoice.PEER, noPeers.get());
        }
        Optional<String> noNccl = neither.or(
                () -> noNccl(places, Encryption.setting(SparkEnv.get().conf())));
        if (noNccl.isPresent()) {
            refuse(AllReduceChoice.NCCL, noNccl.get());
            LOG.warn("cluster.allreduce is auto: {} sums the gradients, since {}", control.name(), noNccl.get());
            return Optional.empty();
        }
        noPeers.ifPresent(reason -> LOG.info("not by each other's memory, since {}", reason));
        return Optional.of(nccl());
    }

    private Optional<String> moreThanTried(AllReduceChoice choice) {
        return choice == AllReduceChoice.AUTO && control.worldSize() > MOST_PEERS_BY_AUTO
                ? Optional.of("cluster.allreduce is auto, which does so for two GPUs; set it to peer for more")
                : Optional.empty();
    }

    /** Ends the job if that which cannot run was asked for by name. */
    private void refuse(AllReduceChoice cannot, String reason) {
        if (config.cluster().allreduce() == cannot) {
            throw new FatalJobException(String.format(
                    Locale.ROOT,
                    "cluster.allreduce is %s, but %s; fix that, or set it to auto or ring",
                    cannot.name().toLowerCase(Locale.ROOT),
                    reason));
        }
    }

    private Collectives peers() {
        Collectives peers = PeerCollectives.open((CudaDevice) device, group, control::allGather);
        LOG.info("{} GPUs sum the gradients, each reading the others' memory", control.worldSize());
        return peers;
    }

    private Collectives nccl() {
        byte[] id = control.broadcast(control.rank() == 0 ? NcclCommunicator.uniqueId() : new byte[0]);
        Collectives nccl = NcclCommunicator.open((CudaDevice) device, group, id);
        LOG.info("NCCL {} sums the gradients of {} GPUs", NcclCommunicator.version(), control.worldSize());
        return nccl;
    }

    private static Optional<String> noGpus(List<Place> places) {
        for (int rank = 0; rank < places.size(); rank++) {
            Place place = places.get(rank);
            if (!place.noGpu.isEmpty()) {
                return Optional.of(
                        String.format(Locale.ROOT, "rank %d on %s has no GPU: %s", rank, place.host, place.noGpu));
            }
        }
        return Optional.empty();
    }

    /** Why the ranks cannot read each other's memory, as far as it is known without trying; the same on all. */
    static Optional<String> noPeers(List<Place> places, Compression compression) {
        if (places.stream().map(Place::host).distinct().count() > 1) {
            return Optional.of("the GPUs are on several hosts");
        }
        if (compression != Compression.NONE) {
            return Optional.of("cluster.compression is bf16, for which nothing is sent between GPUs of one host");
        }
        return places.size() <= PeerCollectives.MOST_RANKS
                ? Optional.empty()
                : Optional.of(
                        String.format(Locale.ROOT, "more than %d GPUs are on one host", PeerCollectives.MOST_RANKS));
    }

    /**
     * Why not every rank can use NCCL, the same on all; empty if they can.
     *
     * @param encryption the setting of Spark that asks for it
     */
    static Optional<String> noNccl(List<Place> places, Optional<String> encryption) {
        for (int rank = 0; rank < places.size(); rank++) {
            Place place = places.get(rank);
            if (!place.noNccl.isEmpty()) {
                return Optional.of(String.format(
                        Locale.ROOT, "rank %d on %s cannot use NCCL: %s", rank, place.host, place.noNccl));
            }
        }
        return encryption
                .filter(setting -> places.stream().map(Place::host).distinct().count() > 1)
                .map(setting -> setting + " is set and NCCL does not encrypt what it sends from host to host");
    }

    /** The order of sums between GPUs is that of the ranks, or NCCL's own; that of two operands does not matter. */
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
                        "train.reduction is tree, whose order GPUs keep for two ranks that share an even number of micro-batches only");
    }
}
