package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.cuda.KernelForecast.Program;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.tensor.DType;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class KernelModulesTest {
    private static final KernelForecast CHAR =
            new KernelForecast(DType.BF16, 384, 64, 256, 65, 128, true, false, DType.F32, DType.F32);

    @Test
    void programsAreCompiledOnceByOtherThreadsBeforeTheyAreAskedFor() throws InterruptedException {
        List<Program> programs = CHAR.programs(90);
        Map<Program, AtomicInteger> compiled = new ConcurrentHashMap<>();
        ConcurrentLinkedQueue<Thread> threads = new ConcurrentLinkedQueue<>();
        CountDownLatch all = new CountDownLatch(programs.size());
        KernelModules modules = new KernelModules(program -> {
            compiled.computeIfAbsent(program, one -> new AtomicInteger()).incrementAndGet();
            threads.add(Thread.currentThread());
            all.countDown();
            return program.stem().getBytes(java.nio.charset.StandardCharsets.UTF_8);
        });

        modules.compileAhead(programs);

        assertThat(all.await(120, TimeUnit.SECONDS)).isTrue();
        for (Program program : programs) {
            assertThat(modules.cubin(program)).asString().isEqualTo(program.stem());
        }
        assertThat(compiled).hasSameSizeAs(programs);
        assertThat(compiled.values()).allMatch(times -> times.get() == 1);
        assertThat(threads).doesNotContain(Thread.currentThread());
    }

    @Test
    void whatWasNotForeseenIsCompiledWhenItIsAskedFor() {
        KernelModules modules = new KernelModules(program -> new byte[] {1});
        assertThat(modules.cubin(Program.of("gelu", "CHANNELS", 8))).hasSize(1);
    }

    @Test
    void aProgramThatDoesNotCompileFailsWhereItIsAskedFor() {
        KernelModules modules = new KernelModules(program -> {
            throw new CudaException(program.stem() + " does not compile");
        });
        modules.compileAhead(CHAR.programs(80));
        assertThatThrownBy(() -> modules.cubin(CHAR.programs(80).get(0)))
                .isInstanceOf(CudaException.class)
                .hasMessageContaining("does not compile");
    }

    /** What a first step and an evaluation on an H200 were seen to ask for (the log names what is compiled, and by whom). */
    @Test
    void theTablesPaddingAndEvaluationAreForeseen() {
        assertThat(CHAR.programs(90))
                .contains(
                        Program.of("embedding", "ACTIVATION", "bf16", "CHANNELS", 384, "VOCABULARY", 128),
                        Program.of(
                                "flash_forward_hopper",
                                "ACTIVATION",
                                "bf16",
                                "HEAD_DIM",
                                64,
                                "CAUSAL",
                                1,
                                "DROPOUT",
                                0));
    }

    @Test
    void everyForeseenProgramIsAKernelFile() {
        for (DType type : List.of(DType.BF16, DType.F16, DType.F32)) {
            for (int headDim : List.of(32, 64, 96, 128)) {
                for (int compute : List.of(80, 90)) {
                    KernelForecast forecast = new KernelForecast(
                            type, 768, headDim, 2048, 50257, 50304, false, true, DType.BF16, DType.BF16);
                    assertThat(KernelFiles.stems())
                            .containsAll(forecast.programs(compute).stream()
                                    .map(Program::stem)
                                    .toList());
                }
            }
        }
    }
}
