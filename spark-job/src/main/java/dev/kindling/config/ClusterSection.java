package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.attention.AttentionBackend;
import java.io.Serializable;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/**
 * {@code cluster}: how many executors train, one rank each, and what they run on. AUTO picks the best usable one and
 * says which; a choice by name that cannot run is an error.
 */
public record ClusterSection(
        @KeyDoc(
                defaultValue = "2",
                allowed = "1 to 10000",
                doc = "executors that train, one rank each; without the key one for each GPU of this host")
        int executors,

        @KeyDoc(
                defaultValue = "1",
                allowed = "1 to cluster.executors",
                doc = "the fewest ranks with which training starts or goes on when executors are lost")
        int minExecutors,

        @KeyDoc(
                defaultValue = "0",
                allowed = "0 to 10000",
                doc =
                        "more executors, kept ready (device open, model built, shards open) to take a lost rank's seat at once")
        int spares,

        @KeyDoc(defaultValue = "auto", doc = "what a rank computes on; auto takes the GPU where Spark gives it one")
        DeviceChoice device,

        @KeyDoc(defaultValue = "auto", doc = "attention backend; auto takes the fastest that can run, and says which")
        AttentionChoice attention,

        @KeyDoc(
                defaultValue = "auto",
                doc =
                        "what sums the gradients over the ranks; auto takes peer for two GPUs of one host that read each other's"
                                + " memory, nccl for other GPUs, else ring")
        AllReduceChoice allreduce,

        @KeyDoc(
                defaultValue = "none",
                doc = "what gradients travel in: none is fp32; bf16 halves the bytes, with error feedback")
        Compression compression,

        @KeyDoc(
                defaultValue = "5",
                allowed = "1 to 3600",
                doc =
                        "seconds without a heartbeat after which a rank counts as frozen; up to three times as many for one whose"
                                + " heartbeats have come late or that collects much garbage")
        int silenceSeconds,

        @KeyDoc(
                defaultValue = "0",
                allowed = "0 or 1",
                doc =
                        "with train.zero 1, of how many other ranks each keeps the optimizer's part as well, so that a lost one's"
                                + " steps are not lost")
        int redundancy)
        implements Serializable {

    /** The most executors of a job. */
    public static final int MOST_EXECUTORS = 10_000;

    private static final int MOST_SILENCE_SECONDS = 3600;

    public enum DeviceChoice {
        AUTO,
        CPU,
        CUDA
    }

    /** One attention backend by name, or any of them. */
    public enum AttentionChoice {
        AUTO,
        MATH,
        FLASH,
        EFFICIENT;

        /** The choice of one backend. */
        public static AttentionChoice of(AttentionBackend.Kind kind) {
            return switch (kind) {
                case MATH -> MATH;
                case FLASH -> FLASH;
                case EFFICIENT -> EFFICIENT;
            };
        }

        /** The backends that may run. */
        public Set<AttentionBackend.Kind> kinds() {
            return switch (this) {
                case AUTO -> EnumSet.allOf(AttentionBackend.Kind.class);
                case MATH -> EnumSet.of(AttentionBackend.Kind.MATH);
                case FLASH -> EnumSet.of(AttentionBackend.Kind.FLASH);
                case EFFICIENT -> EnumSet.of(AttentionBackend.Kind.EFFICIENT);
            };
        }
    }

    public enum AllReduceChoice {
        AUTO,
        DRIVER,
        RING,
        NCCL,
        /** GPUs of one host read each other's memory. */
        PEER
    }

    /** What gradients travel in: F32, or bf16 with error feedback. See {@link dev.kindling.allreduce.Rounding}. */
    public enum Compression {
        NONE,
        BF16
    }

    public ClusterSection {
        check(executors >= 1, "cluster.executors is %d, but a run needs one; set it to 1 or more", executors);
        check(
                executors <= MOST_EXECUTORS,
                "cluster.executors is %d, and at most %d train together; lower it",
                executors,
                MOST_EXECUTORS);
        check(
                silenceSeconds >= 1 && silenceSeconds <= MOST_SILENCE_SECONDS,
                "cluster.silence_seconds is %d; set it between 1 and %d",
                silenceSeconds,
                MOST_SILENCE_SECONDS);
        check(
                spares >= 0 && spares <= MOST_EXECUTORS,
                "cluster.spares is %d; set it to 0 for none, or to the number of executors to hold ready",
                spares);
        check(
                redundancy == 0 || redundancy == 1,
                "cluster.redundancy is %d; set it to 1 to have each rank keep another one's part of the optimizer, or to 0",
                redundancy);
    }

    /** All executors that a run asks for: those that train, and those that are ready to. */
    public int allExecutors() {
        return executors + spares;
    }

    /** Whether the keys go together; apart from the constructor, so that one may be changed after the other. */
    void requireConsistent() {
        check(
                minExecutors >= 1 && minExecutors <= executors,
                "cluster.min_executors is %d; set it between 1 and cluster.executors %d",
                minExecutors,
                executors);
        check(
                !betweenGpus(allreduce) || device != DeviceChoice.CPU,
                "cluster.allreduce is %s, which sums between GPUs, but cluster.device is cpu; set one of them to auto",
                allreduce.name().toLowerCase(Locale.ROOT));
    }

    private static boolean betweenGpus(AllReduceChoice choice) {
        return choice == AllReduceChoice.NCCL || choice == AllReduceChoice.PEER;
    }

    public ClusterSection withExecutors(int number) {
        return new ClusterSection(
                number, minExecutors, spares, device, attention, allreduce, compression, silenceSeconds, redundancy);
    }

    public ClusterSection withMinExecutors(int number) {
        return new ClusterSection(
                executors, number, spares, device, attention, allreduce, compression, silenceSeconds, redundancy);
    }

    public ClusterSection withDevice(DeviceChoice choice) {
        return new ClusterSection(
                executors, minExecutors, spares, choice, attention, allreduce, compression, silenceSeconds, redundancy);
    }

    public ClusterSection withAttention(AttentionChoice choice) {
        return new ClusterSection(
                executors, minExecutors, spares, device, choice, allreduce, compression, silenceSeconds, redundancy);
    }

    public ClusterSection withAllreduce(AllReduceChoice choice) {
        return new ClusterSection(
                executors, minExecutors, spares, device, attention, choice, compression, silenceSeconds, redundancy);
    }
}
