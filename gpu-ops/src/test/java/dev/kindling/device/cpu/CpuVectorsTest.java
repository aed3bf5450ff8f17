package dev.kindling.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.matmul.MatmulCall;
import dev.kindling.device.cpu.matmul.MatmulCalls;
import dev.kindling.device.cpu.matmul.MatrixView;
import dev.kindling.device.cpu.matmul.VectorMatmul;
import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.device.cpu.rows.CpuVectors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class CpuVectorsTest {

    @Test
    void takesTheVectorApiWhereTheModuleIs() {
        assertThat(CpuVectors.whyNot()).isEmpty();
        try (CpuThreads threads = new CpuThreads(1)) {
            assertThat(CpuKernels.fastest().products().apply(threads)).isInstanceOf(VectorMatmul.class);
        }
    }

    @Test
    void withoutTheModuleItSaysOnceWhichFlagHelpsAndStillMultiplies() throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Process process = new ProcessBuilder(
                        java, "-cp", System.getProperty("java.class.path"), Without.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        assertThat(output).contains("product 22.0").contains("plain Java, fp32");
        assertThat(output).containsOnlyOnce("--add-modules=jdk.incubator.vector");
    }

    /** Run in a JVM of its own, without the module. */
    static final class Without {
        private Without() {}

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
                CpuMatmul products = CpuKernels.fastest().products().apply(threads);
                products.multiply(call);
                System.out.println("product " + c[0] + " by " + products.describe());
            }
        }
    }
}
