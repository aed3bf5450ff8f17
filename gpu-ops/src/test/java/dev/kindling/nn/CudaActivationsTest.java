package dev.kindling.nn;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.Gpu;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.DType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A GPU in bf16, which runs all backends. Skipped without a GPU; fails then under -Dgpu.required=true. */
class CudaActivationsTest extends ActivationsContract {
    @Override
    Device open() {
        Gpu.require();
        return CudaDevice.open(0, Precision.BF16);
    }

    @Override
    double tolerance() {
        return 1e-2;
    }

    @Test
    void logitsInChunksGiveTheSameTrainingInSinglePrecision() {
        use(CudaDevice.open(0, Precision.FP32));
        logitsInChunksGiveTheSameTraining(DType.F32);
    }

    /** The products of GPT-2's classifier, for which cuBLAS has other algorithms than for small ones. */
    @ParameterizedTest
    @CsvSource({"BF16, F32, false", "BF16, BF16, false", "FP8, F32, true"})
    void logitsOfGpt2InChunksGiveTheSameTraining(Precision precision, DType gradients, boolean fp8Head) {
        assumeTrue(
                precision == Precision.BF16 || CudaDevice.devices().get(0).compute() == 90,
                "SKIPPED: FP8 needs a GPU of compute capability 9.0");
        use(CudaDevice.open(0, precision));
        GptConfig config = new GptConfig(50257, 1024, 2, 12, 768, 0.1f, true, Gelu.Form.TANH);
        haveTheSameBits(
                new Task(config, BatchShape.dense(17, 1024), Kind.FLASH, gradients, fp8Head), // 17,408 rows
                new Activations(Recompute.NONE, Activations.HEAD_SLICE),
                new Activations(Recompute.GELU, 2 * Activations.HEAD_SLICE),
                new Activations(Recompute.LAYER, Activations.HEAD_SLICE));
    }
}
