package dev.kindling.device.cuda;

import dev.kindling.device.cuda.KernelForecast.Program;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/**
 * The kernels of a device, loaded at first use by file and constants, and compiled then or ahead of it. For the device's
 * thread.
 */
final class KernelModules implements AutoCloseable {
    private final Function<Program, byte[]> compiler;
    private final Map<Program, CudaModule> modules = new HashMap<>();
    /** What is compiled ahead, and was not asked for yet. */
    private final Map<Program, Future<byte[]>> ahead = new HashMap<>();

    /** @param compiler gives a program's cubin, for several threads at once */
    KernelModules(Function<Program, byte[]> compiler) {
        this.compiler = compiler;
    }

    /** Begins to compile programs side by side, on daemon threads that end with them. */
    void compileAhead(List<Program> programs) {
        int threads = Math.min(programs.size(), Runtime.getRuntime().availableProcessors());
        ExecutorService pool = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "kindling-kernels");
            thread.setDaemon(true);
            return thread;
        });
        for (Program program : programs) {
            if (!modules.containsKey(program)) {
                ahead.computeIfAbsent(program, missing -> pool.submit(() -> compiler.apply(missing)));
            }
        }
        pool.shutdown();
    }

    /** @param constants -D names and values in turn */
    CudaModule module(String stem, Object... constants) {
        Program program = Program.of(stem, constants);
        CudaModule known = modules.get(program);
        if (known == null) {
            known = new CudaModule(stem, cubin(program));
            modules.put(program, known);
        }
        return known;
    }

    /** The program's cubin: compiled ahead, or now. */
    byte[] cubin(Program program) {
        Future<byte[]> begun = ahead.remove(program);
        if (begun == null) {
            return compiler.apply(program);
        }
        try {
            return begun.get();
        } catch (ExecutionException | InterruptedException e) {
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            return compiler.apply(program); // whose own error has this thread's stack
        }
    }

    @Override
    public void close() {
        modules.values().forEach(CudaModule::close);
        modules.clear();
    }
}
