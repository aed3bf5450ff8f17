package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/**
 * {@code cluster}: how many executors train (one rank each), the fewest that a generation may start with, and what
 * they run on. AUTO picks the best usable one and says which; a choice by name that cannot run is an error. With
 * compression gradients travel in half the bytes, see {@link dev.kindling.allreduce.Rounding}.
 */
public record ClusterSection(
        int executors,
        int minExecutors,
        DeviceChoice device,
        AttentionChoice attention,
        AllReduceChoice allreduce,
        Compression compression)
        implements Serializable {

    public enum DeviceChoice {
        AUTO,
        CPU,
        CUDA
    }

    public enum AttentionChoice {
        AUTO,
        MATH,
        FLASH,
        EFFICIENT
    }

    public enum AllReduceChoice {
        AUTO,
        DRIVER,
        RING,
        NCCL
    }

    /** What gradients travel in: F32, or bf16 with error feedback. */
    public enum Compression {
        NONE,
        BF16
    }

    static final ClusterSection DEFAULT =
            new ClusterSection(2, 1, DeviceChoice.AUTO, AttentionChoice.AUTO, AllReduceChoice.AUTO, Compression.NONE);

    public ClusterSection {
        check(executors >= 1, "cluster.executors is %d, but a run needs one; set it to 1 or more", executors);
        check(
                minExecutors >= 1 && minExecutors <= executors,
                "cluster.min_executors is %d; set it between 1 and cluster.executors %d",
                minExecutors,
                executors);
        check(
                allreduce != AllReduceChoice.NCCL || device != DeviceChoice.CPU,
                "cluster.allreduce is nccl, which sums between GPUs, but cluster.device is cpu; set one of them to auto");
    }
}
