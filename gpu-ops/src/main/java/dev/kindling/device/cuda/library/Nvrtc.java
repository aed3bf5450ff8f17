package dev.kindling.device.cuda.library;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jcuda.nvrtc.JNvrtc;
import jcuda.nvrtc.nvrtcProgram;
import jcuda.nvrtc.nvrtcResult;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The runtime compiler: CUDA C++ to a cubin of one architecture, kept in a {@link KernelCache}. */
public final class Nvrtc {
    private static final Logger LOG = LoggerFactory.getLogger(Nvrtc.class);
    /** ptxas serialized wgmma: right results at a fraction of the speed. */
    private static final String SERIALIZED_WGMMA = "C7510";

    private final KernelCache cache;
    private final String architecture;
    private final String version;

    /** @param architecture e.g. "sm_90a" */
    public Nvrtc(KernelCache cache, String architecture) {
        this.cache = cache;
        this.architecture = architecture;
        int[] major = new int[1];
        int[] minor = new int[1];
        CudaCall.checkNvrtc(JNvrtc.nvrtcVersion(major, minor), "tell its version");
        this.version = major[0] + "." + minor[0];
    }

    /**
     * The cubin of a kernel file under constants.
     *
     * @throws CudaException if it does not compile, with the compiler's log
     */
    public byte[] cubin(KernelSource source, Map<String, String> constants) {
        List<String> options = options(constants);
        return cache.get(cacheKey(source, options, architecture, version), () -> compile(source, options));
    }

    static String cacheKey(KernelSource source, List<String> options, String architecture, String version) {
        List<String> parts = new ArrayList<>(List.of(source.name(), source.text()));
        source.headers().forEach((name, text) -> {
            parts.add(name);
            parts.add(text);
        });
        parts.addAll(options);
        parts.add(architecture);
        parts.add(version);
        return KernelCache.key(parts);
    }

    private List<String> options(Map<String, String> constants) {
        List<String> options = new ArrayList<>(List.of(
                // The last: lambdas in kernels count as device code, as with nvcc.
                "--gpu-architecture=" + architecture, "--std=c++17", "--device-as-default-execution-space"));
        constants.forEach((name, value) -> options.add("-D" + name + "=" + value));
        return options;
    }

    private byte[] compile(KernelSource source, List<String> options) {
        long start = System.nanoTime();
        nvrtcProgram program = new nvrtcProgram();
        String[] names = source.headers().keySet().toArray(new String[0]);
        String[] texts = source.headers().values().toArray(new String[0]);
        CudaCall.checkNvrtc(
                JNvrtc.nvrtcCreateProgram(program, source.text(), source.name(), names.length, texts, names),
                "take in %s",
                source.name());
        try {
            int result = JNvrtc.nvrtcCompileProgram(program, options.size(), options.toArray(new String[0]));
            String log = log(program);
            if (result != nvrtcResult.NVRTC_SUCCESS) {
                throw new CudaException(String.format(
                        Locale.ROOT,
                        "kernel %s does not compile with %s: %s%n%s",
                        source.name(),
                        options,
                        nvrtcResult.stringFor(result),
                        log));
            }
            if (log.contains(SERIALIZED_WGMMA)) {
                LOG.warn(
                        "kernel {}: the compiler serialized its wgmma instructions ({}): {}",
                        source.name(),
                        SERIALIZED_WGMMA,
                        log);
            }
            long[] size = new long[1];
            CudaCall.checkNvrtc(JNvrtc.nvrtcGetCUBINSize(program, size), "size the cubin of %s", source.name());
            byte[] cubin = new byte[Math.toIntExact(size[0])];
            CudaCall.checkNvrtc(JNvrtc.nvrtcGetCUBIN(program, cubin), "hand out the cubin of %s", source.name());
            LOG.info("compiled {} {} in {} ms", source.name(), options, (System.nanoTime() - start) / 1_000_000);
            return cubin;
        } finally {
            JNvrtc.nvrtcDestroyProgram(program);
        }
    }

    private static String log(nvrtcProgram program) {
        String[] log = new String[1];
        return JNvrtc.nvrtcGetProgramLog(program, log) == nvrtcResult.NVRTC_SUCCESS && log[0] != null
                ? log[0].replace("\0", "").strip()
                : "";
    }
}
