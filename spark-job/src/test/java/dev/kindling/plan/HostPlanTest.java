package dev.kindling.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.model.HostMemory;
import dev.kindling.model.HostRoom;
import dev.kindling.nn.BatchShape;
import dev.kindling.tensor.DeviceMemoryException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the host, or the control group of a container, is the bound. */
class HostPlanTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path root;

    private HostRoom room;

    private void file(String path, String content) throws IOException {
        Files.createDirectories(root.resolve(path).getParent());
        Files.writeString(root.resolve(path), content + "\n");
    }

    @BeforeEach
    void aHostWith64Gigabytes() throws IOException {
        file("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 62914560 kB");
        room = new HostRoom(new HostMemory(root.resolve("proc"), root.resolve("cgroup")), 1);
    }

    private void limit(long mebibytes) throws IOException {
        file("proc/self/cgroup", "0::/");
        file("cgroup/memory.max", "" + mebibytes * MIB);
        file("cgroup/memory.current", "" + 512 * MIB);
    }

    private static PlannedRank gpt2(boolean cuda, String... settings) {
        TrainConfig config = TrainConfig.defaults()
                .with(Overrides.set("model.n_layer=12", "model.n_head=12", "model.n_embd=768", "model.block_size=1024"))
                .with(Overrides.set("train.global_batch=8", "train.micro_batch=8"))
                .with(Overrides.set(settings));
        return new PlannedRank(config, 50257, BatchShape.dense(8, 1024), cuda, 1);
    }

    @Test
    void checkpointsAreHeldWhereTheyFit() {
        assertThat(HostPlan.of(gpt2(true), room).line())
                .isEqualTo(
                        "  host            3.42 GiB  beside the heap: 660.0 MiB for its process, the rest for the two newest"
                                + " checkpoints; the host has 61,440 of its 65,536 MiB left: fits\n");
    }

    @Test
    void aContainerThatIsTooSmallIsSaidWithWhatIsMissing() throws IOException {
        limit(2048);
        assertThat(HostPlan.of(gpt2(true), room).line())
                .contains(
                        "the container (memory.max) has 1,536 of its 2,048 MiB left: does not fit: give it 2.22 GiB more"
                                + " (spark.executor.memoryOverhead, or a larger host), or set checkpoint.in_memory to false");
        assertThat(HostPlan.of(gpt2(true, "checkpoint.in_memory=false"), room).line())
                .contains("2.03 GiB", "give it 854.5 MiB more", "; else training waits while one is written");
    }

    @Test
    void whatAProcessHasTakenIsNotMissing() throws IOException {
        limit(4096);
        assertThat(HostPlan.of(gpt2(true), room).line()).contains("has 3,584 of its 4,096 MiB left: does not fit");
        assertThat(HostPlan.ofThisProcess(gpt2(true), room).line())
                .contains("3.42 GiB", "660.0 MiB for its process", "has 3,584 of its 4,096 MiB left: fits");
        assertThat(HostPlan.of(gpt2(false), room).line()).contains("160.0 MiB for its process");
    }

    @Test
    void onTheCpuTheContainerBoundsTheHeap() throws IOException {
        MemoryFit.Available heap = MemoryFit.Available.ofHeap(8192 * MIB, room);
        assertThat(heap.device()).isEqualTo("the heap of an executor");
        new MemoryFit(gpt2(false), heap).require();

        limit(3072);
        MemoryFit.Available limited = MemoryFit.Available.ofHeap(8192 * MIB, room);
        assertThat(limited.bytes()).isEqualTo(3072 * MIB);
        assertThatThrownBy(() -> new MemoryFit(gpt2(false), limited).require())
                .isInstanceOf(DeviceMemoryException.class)
                .hasMessageStartingWith(
                        "training does not fit the container (memory.max) of an executor, less than its heap"
                                + " of 8.00 GiB: at train.micro_batch 8 it takes ")
                .hasMessageContaining("lower train.micro_batch to ")
                .hasMessageContaining("raise that limit, and spark.executor.memory, to ");
    }
}
