package dev.kindling.device.cuda.library;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalDouble;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The energy that a GPU has drawn since its driver was loaded, from libnvidia-ml.so.1, which comes with the driver. A GPU
 * without such a counter (older than Volta, or a share of one) has none here either; why, is logged once. Thread-safe.
 */
public final class EnergyCounter {
    private static final Logger LOG = LoggerFactory.getLogger(EnergyCounter.class);
    private static final String NAME = "libnvidia-ml.so.1";
    private static final double MILLI = 1e-3;

    private final NativeLibrary library;
    private final Pointer gpu;

    private EnergyCounter(NativeLibrary library, Pointer gpu) {
        this.library = library;
        this.gpu = gpu;
    }

    /**
     * The counter of one GPU.
     *
     * @param uuid as nvidia-smi prints it, GPU-...
     */
    public static EnergyCounter of(String uuid) {
        return of(uuid, new LibrarySearch(System.getenv(), Path.of("/")));
    }

    static EnergyCounter of(String uuid, LibrarySearch search) {
        try {
            NativeLibrary library = NativeLibrary.getInstance(
                    search.find(NAME).map(Path::toString).orElse(NAME));
            check(library, "nvmlInit_v2");
            PointerByReference gpu = new PointerByReference();
            check(library, "nvmlDeviceGetHandleByUUID", uuid, gpu);
            EnergyCounter counter = new EnergyCounter(library, gpu.getValue());
            counter.millijoules();
            return counter;
        } catch (CudaException | UnsatisfiedLinkError e) {
            LOG.info("the energy of {} is not known: {}", uuid, e.getMessage());
            return new EnergyCounter(null, null);
        }
    }

    /** Joules so far; empty without a counter, or where reading it fails: a measurement ends no training. */
    public OptionalDouble joules() {
        if (library == null) {
            return OptionalDouble.empty();
        }
        try {
            return OptionalDouble.of(millijoules() * MILLI);
        } catch (CudaException e) {
            LOG.warn("the energy of a GPU could not be read: {}", e.getMessage());
            return OptionalDouble.empty();
        }
    }

    private long millijoules() {
        LongByReference total = new LongByReference();
        check(library, "nvmlDeviceGetTotalEnergyConsumption", gpu, total);
        return total.getValue();
    }

    private static void check(NativeLibrary library, String function, Object... arguments) {
        int result = library.getFunction(function).invokeInt(arguments);
        if (result != 0) {
            String reason = library.getFunction("nvmlErrorString").invokeString(new Object[] {result}, false);
            throw new CudaException(String.format(Locale.ROOT, "%s: %s (code %d)", function, reason, result));
        }
    }
}
