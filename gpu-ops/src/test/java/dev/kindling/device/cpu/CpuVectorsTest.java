package dev.kindling.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.matmul.MatmulCall;
import dev.kindling.device.cpu.matmul.MatmulCalls;
import dev.kindling.device.cpu.matmul.MatrixView;
import dev.kindling.device.cpu.matmul.OneDnnMatmul;
import dev.kindling.device.cpu.matmul.VectorMatmul;
import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.device.cpu.rows.CpuVectors;
import dev.kindling.device.cpu.rows.VectorRows;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

class CpuVectorsTest {

    @Test
    void takesTheVectorApiWhereTheModuleIs() {
        assertThat(CpuVectors.whyNot()).isEmpty();
        try (CpuThreads threads = new CpuThreads(1)) {
            assertThat(CpuKernels.fastest().rows()).isInstanceOf(VectorRows.class);
            try (CpuMatmul products = CpuKernels.fastest().products().apply(threads)) {
                assertThat(products).isInstanceOf(fewRegisters() ? OneDnnMatmul.class : VectorMatmul.class);
            }
        }
    }

    private static boolean fewRegisters() {
        return !VectorMatmul.MANY_REGISTERS && OneDnnMatmul.whyNot().isEmpty();
    }

    @Test
    @EnabledIfSystemProperty(named = "os.arch", matches = "amd64")
    void takesOneDnnsProductsWithoutAvx512() throws IOException, InterruptedException {
        String output = run("--add-modules=jdk.incubator.vector", "-XX:UseAVX=2");
        assertThat(output).contains("product 22.0 by oneDNN, fp32");
    }

    @Test
    void withoutTheModuleItSaysOnceWhichFlagHelpsAndStillMultiplies() throws IOException, InterruptedException {
        String output = run();
        assertThat(output).contains("product 22.0").contains("plain Java, fp32");
        assertThat(output).containsOnlyOnce("--add-modules=jdk.incubator.vector");
    }

    private static String run(String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Product.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    /** Run in a JVM of its own. */
    static final class Product {
        private Product() {}

        public static void main(String[] args) {
            try (CpuThreads threads = new CpuThreads(2)) {
                float[] c = {Float.NaN};
                MatmulCall call = MatmulCalls.product(
                        1,
                        1,
                        2,
                        MatrixView.of(new float[] {2, 4}, 0, 2),
                        MatrixView.of(new float[] {3, 4}, 0, 1),
                        MatrixView.of(c, 0, 1));
                try (CpuMatmul products = CpuKernels.fastest().products().apply(threads)) {
                    products.multiply(call);
                    System.out.println("product " + c[0] + " by " + products.describe());
                }
            }
        }
    }
}
