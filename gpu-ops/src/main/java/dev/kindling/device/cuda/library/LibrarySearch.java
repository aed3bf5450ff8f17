package dev.kindling.device.cuda.library;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Where CUDA's libraries may lie, in order: LD_LIBRARY_PATH, CUDA_HOME and CUDA_PATH, /usr/local/cuda*, the system's
 * library folders, and the nvidia wheels of Python (virtual and conda environments, the python3 on the PATH, the user's
 * and the system's packages).
 */
public final class LibrarySearch {
    private final List<Path> folders;
    private final int named;

    /** @param root of the file system, "/" outside of tests */
    public LibrarySearch(Map<String, String> environment, Path root) {
        Set<Path> found = new LinkedHashSet<>();
        for (String folder : environment.getOrDefault("LD_LIBRARY_PATH", "").split(":")) {
            add(found, folder.isBlank() ? null : Path.of(folder));
        }
        for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
            String home = environment.getOrDefault(variable, "");
            addToolkit(found, home.isBlank() ? null : Path.of(home));
        }
        int named = found.size();
        addToolkit(found, root.resolve("usr/local/cuda"));
        children(root.resolve("usr/local"), "cuda-*").forEach(home -> addToolkit(found, home));
        for (String folder : List.of(
                "usr/local/nvidia/lib64",
                "usr/local/nvidia/lib",
                "usr/lib/x86_64-linux-gnu",
                "lib/x86_64-linux-gnu",
                "usr/lib64",
                "usr/lib",
                "usr/lib/wsl/lib")) {
            add(found, root.resolve(folder));
        }
        for (Path python : pythons(environment, root)) {
            for (String pattern : List.of("python3*/site-packages/nvidia", "python3*/dist-packages/nvidia")) {
                addWheels(found, python, pattern);
            }
        }
        this.folders = List.copyOf(found);
        this.named = named;
    }

    private LibrarySearch(List<Path> folders) {
        this.folders = folders;
        this.named = folders.size();
    }

    /** Only where LD_LIBRARY_PATH, CUDA_HOME and CUDA_PATH say. */
    LibrarySearch named() {
        return new LibrarySearch(folders.subList(0, named));
    }

    public List<Path> folders() {
        return folders;
    }

    /** The first folder's file of this name. */
    public Optional<Path> find(String name) {
        return folders.stream()
                .map(folder -> folder.resolve(name))
                .filter(Files::isRegularFile)
                .findFirst();
    }

    private static List<Path> pythons(Map<String, String> environment, Path root) {
        List<Path> pythons = new ArrayList<>();
        for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
            if (!environment.getOrDefault(variable, "").isBlank()) {
                pythons.add(Path.of(environment.get(variable), "lib"));
            }
        }
        for (String folder : environment.getOrDefault("PATH", "").split(":")) {
            // A virtual environment's python3 is a link out of it, so its folder counts, not its target.
            Path parent = folder.isBlank() ? null : Path.of(folder).getParent();
            if (parent != null && Files.exists(Path.of(folder, "python3"))) {
                pythons.add(parent.resolve("lib"));
            }
        }
        if (!environment.getOrDefault("HOME", "").isBlank()) {
            pythons.add(Path.of(environment.get("HOME"), ".local/lib"));
        }
        pythons.add(root.resolve("usr/local/lib"));
        pythons.add(root.resolve("usr/lib"));
        return pythons;
    }

    /** Wheels: nvidia/cublas/lib, nvidia/cuda_nvrtc/lib (CUDA 12), nvidia/cu13/lib (CUDA 13). */
    private static void addWheels(Set<Path> found, Path lib, String pattern) {
        String[] parts = pattern.split("/");
        for (Path version : children(lib, parts[0])) {
            for (Path wheel : children(version.resolve(parts[1]).resolve(parts[2]), "*")) {
                add(found, wheel.resolve("lib"));
            }
        }
    }

    private static void addToolkit(Set<Path> found, Path home) {
        if (home != null) {
            add(found, home.resolve("lib64"));
            add(found, home.resolve("lib"));
            add(found, home.resolve("targets/x86_64-linux/lib"));
        }
    }

    private static void add(Set<Path> found, Path folder) {
        if (folder != null && Files.isDirectory(folder)) {
            found.add(folder);
        }
    }

    private static List<Path> children(Path folder, String glob) {
        List<Path> children = new ArrayList<>();
        if (Files.isDirectory(folder) && Files.isReadable(folder)) {
            try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, glob)) {
                stream.forEach(children::add);
            } catch (IOException e) {
                throw new UncheckedIOException("cannot list " + folder, e);
            }
        }
        // Newest first: cuda-13.0 before cuda-12.6.
        children.sort((a, b) -> b.compareTo(a));
        return children;
    }
}
