package dev.kindling.device.cpu.matmul;

import com.sun.jna.NativeLibrary;
import dev.kindling.device.unpack.PrivateFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.dnnl.global.dnnl;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Loads oneDNN once and keeps its own threads out of the way: Java splits the work. */
final class OneDnnLibrary {
    private static final Logger LOG = LoggerFactory.getLogger(OneDnnLibrary.class);
    private static final Optional<String> REFUSAL = load();
    /** The number of OpenMP threads is a setting of each calling thread. */
    private static final ThreadLocal<Boolean> SINGLE = ThreadLocal.withInitial(OneDnnLibrary::limitOpenMp);

    private OneDnnLibrary() {}

    /** Why oneDNN cannot be used at all; empty if it can. */
    static Optional<String> whyNot() {
        return REFUSAL;
    }

    /** Why it cannot multiply bf16 here; empty if it can. */
    static Optional<String> whyNotBf16() {
        if (REFUSAL.isPresent()) {
            return REFUSAL.map(reason -> "bf16 products need oneDNN: " + reason + "; or use precision fp32");
        }
        int have = dnnl.dnnl_get_effective_cpu_isa();
        int need = dnnl.dnnl_cpu_isa_avx512_core_bf16;
        return (have & need) == need
                ? Optional.empty()
                : Optional.of("bf16 products need a CPU with avx512_bf16 and this one has "
                        + dnnl.get_effective_cpu_isa() + "; use precision fp32");
    }

    /** Makes oneDNN run on the calling thread alone, when it prepares a primitive and when it executes one. */
    static boolean keepToThisThread() {
        return SINGLE.get();
    }

    private static Optional<String> load() {
        Optional<String> refusal = refusal();
        refusal.ifPresentOrElse(
                reason -> LOG.info("oneDNN is not usable: {}", reason),
                () -> LOG.info("oneDNN is loaded, instruction set {}", dnnl.get_effective_cpu_isa()));
        return refusal;
    }

    private static Optional<String> refusal() {
        try {
            unpackApartFromOtherUsers();
            dnnl.dnnl_get_effective_cpu_isa();
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of("its native library cannot be unpacked in " + System.getProperty("java.io.tmpdir") + " ("
                    + e + "); set -Djava.io.tmpdir to a writable folder");
        } catch (LinkageError | RuntimeException e) {
            return Optional.of("its native library does not load on " + System.getProperty("os.name") + " "
                    + System.getProperty("os.arch") + " (" + e + "); add org.bytedeco:dnnl for this platform");
        }
    }

    /** JavaCPP would write to the home directory, which a cluster's executors may lack or share. */
    private static void unpackApartFromOtherUsers() throws IOException {
        String property = "org.bytedeco.javacpp.cachedir";
        if (System.getProperty(property) == null && System.getProperty("org.bytedeco.javacpp.cacheDir") == null) {
            String name = "kindling-natives-" + System.getProperty("user.name");
            Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
            System.setProperty(property, PrivateFolder.in(temporary, name).toString());
        }
    }

    private static boolean limitOpenMp() {
        if ("1".equals(System.getenv("OMP_NUM_THREADS"))) {
            return true;
        }
        try {
            NativeLibrary.getInstance("libgomp.so.1")
                    .getFunction("omp_set_num_threads")
                    .invokeVoid(new Object[] {1});
            return true;
        } catch (LinkageError e) {
            LOG.warn("oneDNN may start threads of its own beside ours ({}); set OMP_NUM_THREADS=1", e.toString());
            return false;
        }
    }
}
