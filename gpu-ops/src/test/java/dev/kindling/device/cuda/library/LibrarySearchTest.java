package dev.kindling.device.cuda.library;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
    @TempDir
    Path root;

    private Path touch(String file) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        return Files.createFile(path);
    }

    private void toolkit(String folder, int major) throws IOException {
        touch(folder + "/libnvrtc.so." + major);
        touch(folder + "/libcublas.so." + major);
        touch(folder + "/libcublasLt.so." + major);
    }

    @Test
    void theLibraryPathComesBeforeCudaHomeAndTheSystem() throws Exception {
        Path system = touch("usr/lib/x86_64-linux-gnu/libnvrtc.so.12");
        LibrarySearch bare = new LibrarySearch(Map.of(), root);
        assertThat(bare.find("libnvrtc.so.12")).contains(system);
        Path home = touch("opt/cuda/lib64/libnvrtc.so.12");
        Map<String, String> withHome =
                Map.of("CUDA_HOME", root.resolve("opt/cuda").toString());
        assertThat(new LibrarySearch(withHome, root).find("libnvrtc.so.12")).contains(home);
        Path listed = touch("my/libs/libnvrtc.so.12");
        Map<String, String> both = Map.of(
                "CUDA_HOME",
                root.resolve("opt/cuda").toString(),
                "LD_LIBRARY_PATH",
                root.resolve("absent") + "::" + root.resolve("my/libs"));
        assertThat(new LibrarySearch(both, root).find("libnvrtc.so.12")).contains(listed);
    }

    @Test
    void wheelsOfThePythonOnThePathAreFound() throws Exception {
        touch("venv/bin/python3");
        toolkit("venv/lib/python3.12/site-packages/nvidia/cu13/lib", 13);
        Map<String, String> environment = Map.of("PATH", "/nowhere:" + root.resolve("venv/bin"));
        Map<String, Path> found = CudaLibraries.toolkit(new LibrarySearch(environment, root), 13000);
        assertThat(found.keySet()).containsExactly("libnvrtc.so.13", "libcublasLt.so.13", "libcublas.so.13");
    }

    @Test
    void wheelsOfCuda12LieInSeveralFolders() throws Exception {
        String nvidia = "usr/local/lib/python3.11/dist-packages/nvidia/";
        touch(nvidia + "cuda_nvrtc/lib/libnvrtc.so.12");
        touch(nvidia + "cublas/lib/libcublas.so.12");
        touch(nvidia + "cublas/lib/libcublasLt.so.12");
        assertThat(CudaLibraries.toolkit(new LibrarySearch(Map.of(), root), 12040))
                .hasSize(3);
    }

    @Test
    void theNewestThatTheDriverRunsIsTaken() throws Exception {
        toolkit("usr/local/cuda-12.6/lib64", 12);
        toolkit("usr/local/cuda-13.0/lib64", 13);
        LibrarySearch search = new LibrarySearch(Map.of(), root);
        assertThat(CudaLibraries.toolkit(search, 13010)).containsKey("libcublas.so.13");
        assertThat(CudaLibraries.toolkit(search, 12080)).containsKey("libcublas.so.12");
    }

    @Test
    void theOneThatTheEnvironmentNamesComesBeforeANewer() throws Exception {
        toolkit("usr/local/cuda-13.0/lib64", 13);
        toolkit("opt/cuda-12.6/lib64", 12);
        Map<String, String> environment =
                Map.of("CUDA_HOME", root.resolve("opt/cuda-12.6").toString());
        assertThat(CudaLibraries.toolkit(new LibrarySearch(environment, root), 13000))
                .containsEntry("libcublas.so.12", root.resolve("opt/cuda-12.6/lib64/libcublas.so.12"));
        assertThat(CudaLibraries.toolkit(new LibrarySearch(Map.of(), root), 13000))
                .containsKey("libcublas.so.13");
    }

    @Test
    void anIncompleteOneThatTheEnvironmentNamesIsPassedBy() throws Exception {
        toolkit("usr/local/cuda-13.0/lib64", 13);
        touch("opt/cuda-12.6/lib64/libnvrtc.so.12");
        Map<String, String> environment =
                Map.of("CUDA_HOME", root.resolve("opt/cuda-12.6").toString());
        assertThat(CudaLibraries.toolkit(new LibrarySearch(environment, root), 13000))
                .containsKey("libcublas.so.13");
    }

    @Test
    void theErrorSaysWhatIsMissingAndWhereItLooked() throws Exception {
        touch("usr/local/cuda-13.0/lib64/libnvrtc.so.13");
        LibrarySearch search = new LibrarySearch(Map.of(), root);
        assertThatThrownBy(() -> CudaLibraries.toolkit(search, 13000))
                .isInstanceOf(CudaException.class)
                .hasMessageContaining("CUDA 13 lacks libcublasLt.so.13, libcublas.so.13")
                .hasMessageContaining("CUDA 12 lacks libnvrtc.so.12")
                .hasMessageContaining(root.resolve("usr/local/cuda-13.0/lib64").toString())
                .hasMessageContaining("CUDA_HOME");
        assertThatThrownBy(() -> CudaLibraries.toolkit(search, 12040))
                .hasMessageContaining("CUDA 13 is too new for the driver (12.4)");
    }
}
