package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.kindling.allreduce.Rounding;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.model.HostFloats;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Steps of a sharded optimizer over NCCL, a thread a rank, against one rank's over the sum of all gradients. */
@Timeout(120)
class DeviceZeroExchangeTest {
    private static final GptConfig MODEL = new GptConfig(300, 64, 3, 3, 96, 0f, true, Gelu.Form.ERF);
    private static final int STEPS = 4;

    /**
     * What a rank has at the end.
     *
     * @param weights that forward would read
     * @param snapshot F32 weights and moments, by weight, on rank 0
     */
    private record Outcome(float[] norms, float[] weights, Optional<List<float[]>> snapshot) {}

    private record Case(Precision precision, float maxNorm, DType gradients) {}

    /** Two, or one where there is one GPU. */
    private static int ranks() {
        Optional<String> reason = CudaDevice.whyNot().or(NcclCommunicator::whyNot);
        if (reason.isPresent()) {
            Assumptions.assumeTrue(Boolean.getBoolean("gpu.required"), "SKIPPED, no GPU: " + reason.get());
            Assertions.fail("gpu.required=true, but " + reason.get());
        }
        return Math.min(2, CudaDevice.count());
    }

    @ParameterizedTest
    @CsvSource({"FP32,0,F32", "BF16,0,F32", "BF16,1,F32", "BF16,0,BF16"})
    void everyRankEndsWithTheWeightsOfAWholeOptimizer(Precision precision, float maxNorm, DType gradients)
            throws Exception {
        int ranks = ranks();
        Case wanted = new Case(precision, maxNorm, gradients);
        Outcome expected = alone(wanted, ranks);
        byte[] id = NcclCommunicator.uniqueId();
        CyclicBarrier leaving = new CyclicBarrier(ranks);
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        List<Future<Outcome>> running = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            OptimizerShard shard = new OptimizerShard(OptimizerShard.Cut.BUCKETS, rank, ranks);
            running.add(threads.submit(() -> sharded(wanted, shard, id, leaving)));
        }
        threads.shutdown();
        // A gradient that is not clipped has no norm in it, whose last bit may differ.
        float tolerance = maxNorm == 0 ? 0 : 1e-6f;
        for (Future<Outcome> future : running) {
            Outcome outcome = future.get(60, TimeUnit.SECONDS);
            for (int step = 0; step < STEPS; step++) {
                assertThat(outcome.norms[step]).isCloseTo(expected.norms[step], withinPercentage(1e-4));
            }
            assertThat(difference(outcome.weights, expected.weights)).isLessThanOrEqualTo(maxNorm == 0 ? 0 : 1e-3f);
            outcome.snapshot.ifPresent(snapshot -> {
                for (int i = 0; i < snapshot.size(); i++) {
                    float[] whole = expected.snapshot.orElseThrow().get(i);
                    assertThat(difference(snapshot.get(i), whole)).isLessThanOrEqualTo(tolerance);
                }
            });
        }
        assertThat(running.get(0).get().snapshot).isPresent();
    }

    /** The largest; not a number where one of the values is none. */
    private static float difference(float[] some, float[] others) {
        assertThat(some).hasSameSizeAs(others);
        float most = 0;
        for (int i = 0; i < some.length; i++) {
            most = Math.max(most, Math.abs(some[i] - others[i]));
        }
        return most;
    }

    private static StepLosses losses(Device device, Arena arena, OptimizerShard shard) {
        return new StepLosses(
                new Gpt.DeviceArena(device, arena),
                arena.allocate("loss", DType.F32, 1),
                RankShare.of(shard.ranks(), shard.rank(), shard.ranks(), 1));
    }

    private static Outcome sharded(Case wanted, OptimizerShard shard, byte[] id, CyclicBarrier leaving)
            throws Exception {
        try (CudaDevice device = CudaDevice.open(shard.rank(), wanted.precision());
                Arena arena = device.arena("test");
                NcclCommunicator communicator = NcclCommunicator.open(
                        device, new RankGroup(shard.rank(), shard.ranks(), () -> {}, Assertions::fail), id)) {
            Parameters parameters = new Parameters(MODEL, device, arena, wanted.gradients(), shard);
            AdamW adamW = adamW(parameters, device, arena);
            DeviceZeroExchange exchange =
                    new DeviceZeroExchange(communicator, device, parameters, losses(device, arena, shard));
            Runnable update = () -> {
                exchange.clip(new GradientClip(device.ops(), wanted.maxNorm()), parameters.gradients());
                adamW.step(exchange::updated);
                exchange.shareWeights();
            };
            Runnable reduce = () -> {
                for (int i = 0; i < parameters.buckets().size(); i++) {
                    exchange.bucketReady(i, Rounding.NONE);
                }
                exchange.joinDevice();
            };
            float[] norms = new float[STEPS];
            step(0, parameters, adamW, device, List.of(shard.rank()));
            reduce.run();
            update.run();
            norms[0] = device.gradientNorm();
            try (Replay reduction = device.capture(reduce);
                    Replay replay = device.capture(update)) {
                for (int step = 1; step < STEPS; step++) {
                    step(step, parameters, adamW, device, List.of(shard.rank()));
                    reduction.run();
                    replay.run();
                    norms[step] = device.gradientNorm();
                }
            }
            float[] weights = named(parameters, download(device, parameters.working()));
            List<float[]> snapshot = new ArrayList<>();
            for (Tensor own : List.of(adamW.firstMoments(), adamW.secondMoments())) {
                collect(exchange, own, parameters, shard).ifPresent(snapshot::add);
            }
            if (parameters.master() != parameters.working()) {
                collect(exchange, parameters.master(), parameters, shard).ifPresent(snapshot::add);
            }
            leaving.await(30, TimeUnit.SECONDS);
            return new Outcome(norms, weights, shard.rank() == 0 ? Optional.of(snapshot) : Optional.empty());
        }
    }

    private static Optional<float[]> collect(
            DeviceZeroExchange exchange, Tensor own, Parameters parameters, OptimizerShard shard) {
        if (shard.rank() != 0) {
            exchange.collect(own, Optional.empty());
            return Optional.empty();
        }
        try (HostFloats all = new HostFloats(parameters.count())) {
            exchange.collect(own, Optional.of(all));
            float[] flat = new float[(int) parameters.count()];
            all.read(0, FloatBuffer.wrap(flat));
            return Optional.of(named(parameters, flat));
        }
    }

    private static Outcome alone(Case wanted, int ranks) {
        try (CudaDevice device = CudaDevice.open(0, wanted.precision());
                Arena arena = device.arena("test")) {
            Parameters parameters = new Parameters(MODEL, device, arena, wanted.gradients(), OptimizerShard.WHOLE);
            AdamW adamW = adamW(parameters, device, arena);
            float[] norms = new float[STEPS];
            for (int step = 0; step < STEPS; step++) {
                step(step, parameters, adamW, device, ranks == 1 ? List.of(0) : List.of(0, 1));
                new GradientClip(device.ops(), wanted.maxNorm()).apply(parameters.gradients());
                adamW.step(range -> {});
                norms[step] = device.gradientNorm();
            }
            List<float[]> snapshot = new ArrayList<>();
            for (Tensor flat : List.of(adamW.firstMoments(), adamW.secondMoments(), parameters.master())) {
                snapshot.add(named(parameters, download(device, flat)));
            }
            float[] weights = named(parameters, download(device, parameters.working()));
            return new Outcome(norms, weights, Optional.of(snapshot));
        }
    }

    private static AdamW adamW(Parameters parameters, Device device, Arena arena) {
        parameters.initialise(1);
        return new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.95f, 0.1f), DType.F32, device, arena);
    }

    /** Sets the step's inputs, and the sum of the ranks' gradients. */
    private static void step(int step, Parameters parameters, AdamW adamW, Device device, List<Integer> ranks) {
        device.setStep(new StepInputs(1, step, 1e-2f, adamW.beta1Correction(step), adamW.beta2Correction(step), 1));
        boolean halves = parameters.gradients().dtype() == DType.BF16;
        float[] sum = new float[(int) parameters.count()];
        for (int rank : ranks) {
            Random random = new Random(step * 10 + rank);
            for (Parameters.Entry entry : parameters.entries()) {
                for (int i = 0; i < entry.shape().count(); i++) {
                    float value = (float) random.nextGaussian();
                    sum[(int) entry.offset() + i] += halves ? bf16(value) : value;
                }
            }
        }
        device.upload(sum, parameters.gradients());
    }

    private static float bf16(float value) {
        return Float.intBitsToFloat(Bf16Rows.of(value) << 16);
    }

    private static float[] download(Device device, Tensor tensor) {
        float[] flat = new float[(int) tensor.count()];
        device.download(tensor, flat);
        return flat;
    }

    /** Without the padding of buckets, which depends on the number of ranks. */
    private static float[] named(Parameters parameters, float[] flat) {
        FloatBuffer named = FloatBuffer.allocate(flat.length);
        for (Parameters.Entry entry : parameters.entries()) {
            named.put(flat, (int) entry.offset(), (int) entry.shape().count());
        }
        return Arrays.copyOf(named.array(), named.position());
    }
}
