package dev.kindling.device.cuda.library;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.ptr.IntByReference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * CUDA's libraries, found and loaded once a process: the driver, and NVRTC and cuBLAS of the newest CUDA (13 or 12) that
 * the driver can run among those that the environment names, else of all (see {@link LibrarySearch}); then JCuda's natives
 * over them (see {@link JCudaNatives}). Everything CUDA is reached through {@link #load}. Thread-safe.
 */
public final class CudaLibraries {
    private static final List<Integer> MAJORS = List.of(13, 12);

    private final int major;
    private final int driverVersion;
    private final List<Path> paths;
    // The driver first. JNA unloads a library that nobody refers to.
    private final List<NativeLibrary> open;

    private CudaLibraries(int major, int driverVersion, List<Path> paths, List<NativeLibrary> open) {
        this.major = major;
        this.driverVersion = driverVersion;
        this.paths = List.copyOf(paths);
        this.open = List.copyOf(open);
    }

    /** A function of the driver that JCuda lacks. */
    public Function driver(String function) {
        return open.get(0).getFunction(function);
    }

    /** cublasLt, which JCuda lacks. */
    NativeLibrary cublasLt() {
        return open.get(open.size() - 2);
    }

    /**
     * Finds and loads the libraries.
     *
     * @throws CudaException if this machine cannot run CUDA: it says what is missing and where it looked
     */
    public static CudaLibraries load() {
        if (LoadedCuda.LIBRARIES == null) {
            throw new CudaException(LoadedCuda.REASON);
        }
        return LoadedCuda.LIBRARIES;
    }

    /** Why {@link #load} would throw, or empty. */
    public static Optional<String> whyNot() {
        return Optional.ofNullable(LoadedCuda.REASON);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "CUDA %d (%d libraries, driver %d.%d): %s",
                major,
                open.size(),
                driverVersion / 1000,
                driverVersion % 1000 / 10,
                paths);
    }

    private static final class LoadedCuda {
        static final CudaLibraries LIBRARIES;
        static final String REASON;

        static {
            CudaLibraries libraries = null;
            String reason = null;
            try {
                libraries = open(new LibrarySearch(System.getenv(), Path.of("/")));
            } catch (CudaException | LinkageError e) {
                reason = String.valueOf(e.getMessage());
            }
            LIBRARIES = libraries;
            REASON = reason;
        }
    }

    private static CudaLibraries open(LibrarySearch search) {
        List<NativeLibrary> open = new ArrayList<>();
        NativeLibrary driver = driver(search);
        open.add(driver);
        int driverVersion = driverVersion(driver);
        Map<String, Path> files = toolkit(search, driverVersion);
        for (Map.Entry<String, Path> file : files.entrySet()) {
            // By full path, before JCuda: the loader then finds the needed names among the loaded ones.
            open.add(openLibrary(file.getKey(), file.getValue()));
        }
        int major = Integer.parseInt(files.keySet().iterator().next().replaceAll(".*\\.so\\.", ""));
        JCudaNatives.load(major);
        return new CudaLibraries(major, driverVersion, new ArrayList<>(files.values()), open);
    }

    private static NativeLibrary driver(LibrarySearch search) {
        String name = "libcuda.so.1";
        try {
            return NativeLibrary.getInstance(
                    search.find(name).map(Path::toString).orElse(name));
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException(
                    String.format(
                            Locale.ROOT,
                            "no NVIDIA driver: %s was found neither by the system's loader nor in %s; install the driver or use --device cpu",
                            name,
                            search.folders()),
                    e);
        }
    }

    private static int driverVersion(NativeLibrary driver) {
        IntByReference version = new IntByReference();
        int result = driver.getFunction("cuDriverGetVersion").invokeInt(new Object[] {version});
        CudaCall.check(result, "ask the driver for its version");
        int oldest = MAJORS.get(MAJORS.size() - 1);
        if (version.getValue() / 1000 < oldest) {
            throw new CudaException(String.format(
                    Locale.ROOT,
                    "the NVIDIA driver supports CUDA %d.%d, Kindling needs %d.0 or newer; update the driver",
                    version.getValue() / 1000,
                    version.getValue() % 1000 / 10,
                    oldest));
        }
        return version.getValue();
    }

    /** NVRTC and cuBLAS of one major version, by name, in loading order. */
    static Map<String, Path> toolkit(LibrarySearch search, int driverVersion) {
        return complete(search.named(), driverVersion, new ArrayList<>()).orElseGet(() -> {
            List<String> missing = new ArrayList<>();
            return complete(search, driverVersion, missing)
                    .orElseThrow(() -> new CudaException(String.format(
                            Locale.ROOT,
                            "no usable CUDA libraries: %s. Looked in %s. Install CUDA 12 or 13 (NVRTC and cuBLAS), or point CUDA_HOME or LD_LIBRARY_PATH at them",
                            String.join("; ", missing),
                            search.folders())));
        });
    }

    /** The newest major version that has all its libraries there; else, what each lacks is added to missing. */
    private static Optional<Map<String, Path>> complete(LibrarySearch search, int driverVersion, List<String> missing) {
        for (int major : MAJORS) {
            if (major > driverVersion / 1000) {
                missing.add(String.format(
                        Locale.ROOT,
                        "CUDA %d is too new for the driver (%d.%d)",
                        major,
                        driverVersion / 1000,
                        driverVersion % 1000 / 10));
                continue;
            }
            List<String> names = List.of("libnvrtc.so." + major, "libcublasLt.so." + major, "libcublas.so." + major);
            Map<String, Path> found = new LinkedHashMap<>();
            names.forEach(name -> search.find(name).ifPresent(path -> found.put(name, path)));
            if (found.size() == names.size()) {
                return Optional.of(found);
            }
            missing.add(String.format(
                    Locale.ROOT,
                    "CUDA %d lacks %s",
                    major,
                    names.stream().filter(n -> !found.containsKey(n)).collect(Collectors.joining(", "))));
        }
        return Optional.empty();
    }

    private static NativeLibrary openLibrary(String name, Path path) {
        try {
            return NativeLibrary.getInstance(path.toString());
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException(
                    String.format(Locale.ROOT, "cannot load %s from %s: %s", name, path, e.getMessage()), e);
        }
    }
}
