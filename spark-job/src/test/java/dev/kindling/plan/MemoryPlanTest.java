package dev.kindling.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.exchange.RankLinks;
import dev.kindling.nn.Activations;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Recompute;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DeviceMemoryException;
import dev.kindling.train.Replica;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MemoryPlanTest {
    private static final int VOCABULARY = 65;
    private static final List<String> SMALL = List.of(
            "model.n_layer=3",
            "model.n_head=2",
            "model.n_embd=16",
            "model.block_size=48",
            "train.global_batch=44",
            "train.micro_batch=11");

    private static TrainConfig config(List<String> base, String... settings) {
        List<String> all = new ArrayList<>(base);
        all.addAll(List.of(settings));
        return TrainConfig.defaults().with(Overrides.set(all.toArray(String[]::new)));
    }

    /** All bytes of the arenas, after a micro-batch and with the model for evaluation. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "model.dropout=0 model.bias=true train.recompute=gelu",
                "train.recompute=layer train.head_chunk=8192 train.global_batch=172 train.micro_batch=172",
                "model.n_layer=1 train.recompute=layer",
                "train.reduction=tree train.micro_batch=4",
                "train.gradients=bf16 train.moments=bf16 model.bias=true",
                "cluster.attention=math train.recompute=gelu",
                "cluster.attention=math model.dropout=0 train.recompute=layer",
                "data.packing=documents train.recompute=none",
                "data.packing=documents cluster.attention=math model.dropout=0.1"
            })
    void aPlanIsWhatTheArenasTake(String settings) {
        TrainConfig config = config(SMALL, settings.isEmpty() ? new String[0] : settings.split(" "));
        boolean packed = settings.contains("documents");
        BatchShape shape = new BatchShape(config.train().microBatch(), 48, packed ? 5 : 0);
        try (Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("training")) {
            Replica replica = new Replica(
                    config,
                    new Replica.ModelInputs(VOCABULARY, shape),
                    RankLinks.alone(),
                    new Gpt.DeviceArena(device, arena));
            replica.parameters().initialise(1);
            if (!packed) {
                replica.rehearse();
            }
            replica.evaluation();
            PlannedRank rank = new PlannedRank(config, VOCABULARY, shape, false, 1);
            MemoryPlan plan = MemoryPlan.of(rank, config.train().activations().get(0));
            long unused = packed ? plan.workspace() : 0; // taken by the first backward pass
            assertThat(plan.total() - unused).isEqualTo(device.peakBytes());
        }
    }

    /** Of four ranks each has a quarter of the moments and, with redundancy, another one's quarter. */
    @Test
    void theLossesOfAStepMayTakeMoreThan2GiB() {
        TrainConfig config = config(SMALL, "train.micro_batch=1", "train.global_batch=" + Integer.MAX_VALUE);
        PlannedRank rank = new PlannedRank(config, VOCABULARY, new BatchShape(1, 48, 0), false, 1);
        assertThat(MemoryPlan.of(rank, Activations.WHOLE).head()).isGreaterThan(4L * Integer.MAX_VALUE);
    }

    @Test
    void redundancyTakesAnotherRanksPart() {
        BatchShape shape = new BatchShape(2, 48, 0);
        long[] moments = Stream.of("0", "1")
                .map(redundancy -> config(SMALL, "train.zero=1", "cluster.redundancy=" + redundancy))
                .mapToLong(config -> MemoryPlan.of(
                                new PlannedRank(config, VOCABULARY, shape, false, 4),
                                config.train().activations().get(0))
                        .moments())
                .toArray();
        assertThat(moments[1]).isEqualTo(2 * moments[0]);
    }

    /** Bytes that an H200 had taken at most, as {@code MemoryBench} printed them. */
    @ParameterizedTest
    @CsvSource({
        "12, 12, 768, 32, 0, none, all, fp32, 15993021488",
        "12, 12, 768, 32, 0, gelu, all, fp32, 13778428976",
        "12, 12, 768, 32, 0, layer, all, fp32, 7664706608",
        "12, 12, 768, 32, 0.2, none, all, fp32, 16647332912",
        "12, 12, 768, 32, 0.2, layer, all, fp32, 7765369904",
        "12, 12, 768, 32, 0, none, 8192, fp32, 13520479280",
        "12, 12, 768, 32, 0, none, all, bf16, 15495117872",
        "24, 16, 1024, 16, 0, none, all, fp32, 21463732272",
        "24, 16, 1024, 16, 0, layer, all, fp32, 9857044528",
        "36, 20, 1280, 8, 0, none, all, fp32, 27201571888",
        "36, 20, 1280, 8, 0, layer, all, fp32, 16164391984",
        "48, 25, 1600, 8, 0, none, all, fp32, 49452113200",
        "48, 25, 1600, 8, 0, gelu, all, fp32, 44523806000",
        "48, 25, 1600, 8, 0, layer, all, fp32, 30926167344",
        "48, 25, 1600, 4, 0, layer, 8192, bf16, 23273257776"
    })
    void aPlanIsWithinThreePercentOfWhatAGpuTook(
            int layers,
            int heads,
            int width,
            int batch,
            String dropout,
            String recompute,
            String chunk,
            String moments,
            long measured) {
        TrainConfig config = config(
                GPT2,
                "model.n_layer=" + layers,
                "model.n_head=" + heads,
                "model.n_embd=" + width,
                "model.bias=true",
                "model.dropout=" + dropout,
                "train.micro_batch=" + batch,
                "train.recompute=" + recompute,
                "train.head_chunk=" + chunk,
                "train.moments=" + moments);
        PlannedRank rank = new PlannedRank(config, 50257, BatchShape.dense(batch, 1024), true, 1);
        MemoryPlan plan = MemoryPlan.of(rank, config.train().activations().get(0));
        assertThat((double) plan.total() / measured).isBetween(0.97, 1.03);
    }

    private static final List<String> GPT2 = List.of(
            "model.n_layer=12",
            "model.n_head=12",
            "model.n_embd=768",
            "model.block_size=1024",
            "model.dropout=0",
            "train.global_batch=512",
            "train.micro_batch=32");

    private static MemoryFit fit(long gibibytes, String... settings) {
        TrainConfig config = config(GPT2, settings);
        BatchShape shape = BatchShape.dense(config.train().microBatch(), 1024);
        return new MemoryFit(
                new PlannedRank(config, 50257, shape, true, 4), MemoryFit.Available.ofGpu("GPU", gibibytes << 30));
    }

    @Test
    void automaticTakesTheFastestWayThatFits() {
        assertThat(fit(80).activations()).isEqualTo(Activations.WHOLE);
        assertThat(fit(14).activations()).isEqualTo(new Activations(Recompute.NONE, 8192));
        assertThat(fit(12).activations()).isEqualTo(new Activations(Recompute.GELU, 8192));
        assertThat(fit(8).activations()).isEqualTo(new Activations(Recompute.LAYER, 0));
        assertThat(fit(6).activations()).isEqualTo(new Activations(Recompute.LAYER, 8192));
    }

    /** Any number will do, also one that a run of an earlier version has in its configuration. */
    @ParameterizedTest
    @CsvSource({"512, 8192", "8192, 8192", "8193, 16384", "999999999, 1000005632"})
    void aChunkOfLogitsIsRoundedUpToWholeSlices(String chunk, int rows) {
        assertThat(fit(80, "train.recompute=gelu", "train.head_chunk=" + chunk).activations())
                .isEqualTo(new Activations(Recompute.GELU, rows));
    }

    @Test
    void aTableNamesThePartsAndTheLargestMicroBatch() {
        MemoryFit fit = fit(80);
        assertThat(fit.table())
                .startsWith("memory of each of 4 ranks, of 80.00 GiB on GPU:")
                .contains("weights ", "gradients ", "moments ", "activations ", "head ", "workspace ", "fits")
                .contains("largest train.micro_batch that fits: 128 with train.recompute none")
                .hasLineCount(9);
        fit.requireReserve();
    }

    @Test
    void memoryThatRunsOutInSpiteOfThePlanIsToldWithWhatWouldLeaveEnough() {
        DeviceMemoryException met =
                new DeviceMemoryException("scratch asks for 3 GiB; 1 GiB is free", "lower --batch", 2L << 30);
        assertThat(fit(80).afterAll(met, OptionalLong.of(80L << 30)))
                .hasCause(met)
                .hasMessageMatching(
                        "scratch asks for 3 GiB; 1 GiB is free; 2.00 GiB are missing for the plan of 1.*GiB of"
                                + " 80.00 GiB and what it does not count, at train.micro_batch 32 with train.recompute none: set train.recompute to gelu"
                                + " \\(saves 2.*GiB\\), or lower"
                                + " train.micro_batch to 16 \\(saves 6.*GiB\\), or free the GPU of others.*");
        assertThat(fit(80, "train.micro_batch=1", "train.recompute=layer")
                        .afterAll(new DeviceMemoryException("no room"), OptionalLong.empty()))
                .hasMessageStartingWith("no room; memory is missing for the plan of ")
                .hasMessageContaining("set train.zero to 1 (saves ")
                .hasMessageContaining("set train.gradients to bf16 (saves ")
                .hasMessageContaining("set train.moments to bf16 (saves 474")
                .message()
                .doesNotContain("train.recompute to", "train.micro_batch to");
    }

    @Test
    void ofAGpuThatOthersUseAllThatThePlanLacksIsTold() {
        MemoryFit fit = fit(80);
        long total = MemoryPlan.of(fit.rank(), fit.activations()).total();
        DeviceMemoryException met = new DeviceMemoryException("activation 3 of 9 asks for 1 GiB", "", 1 << 30);
        assertThat(fit.afterAll(met, OptionalLong.of(total - (4L << 30)))) // and 0.5 for what it does not count
                .hasMessageContaining("; 4.50 GiB are missing for the plan of ")
                .hasMessageContaining(": set train.recompute to layer (saves ")
                .hasMessageContaining("or lower train.micro_batch to 16 (saves 6");
        assertThat(fit.afterAll(met, OptionalLong.of(total - (7L << 30))))
                .hasMessageContaining("or lower train.micro_batch to 8 (saves ")
                .message()
                .doesNotContain("micro_batch to 16");
    }

    @Test
    void whatDoesNotFitIsRefusedWithWhatWould() {
        assertThatThrownBy(() -> fit(8, "train.recompute=none").require())
                .isInstanceOf(DeviceMemoryException.class)
                .hasMessageStartingWith("training does not fit GPU: at train.micro_batch 32 it takes ")
                .hasMessageContaining("set train.recompute and train.head_chunk to auto")
                .hasMessageContaining("lower train.micro_batch to ");
        assertThatThrownBy(() -> fit(2).require())
                .hasMessageContaining("set train.zero to 1 and train.micro_batch to ");
        assertThatThrownBy(() -> fit(1).require()).hasMessageContaining("weights, gradients and moments alone are ");
    }
}
