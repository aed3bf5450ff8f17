package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Contexts of 8192 and 32768 tokens: position table, packs and losses, on a model that is narrow. */
class LongGptTest extends GptFixture {
    private static final int SHORT = 13;

    @Override
    Device open() {
        return new CpuDevice(2, Precision.FP32);
    }

    @Override
    double tolerance() {
        return 1e-4;
    }

    private static GptConfig config(int blockSize) {
        return new GptConfig(29, blockSize, 1, 1, 32, 0, true, Gelu.Form.ERF);
    }

    private static int[] random(long seed, int count) {
        return new Random(seed).ints(count, 0, 29).toArray();
    }

    private float[] losses(Gpt gpt, int rows) {
        gpt.forward();
        gpt.evaluate();
        float[] losses = new float[rows];
        device.download(gpt.losses(), losses);
        return losses;
    }

    @Test
    void theFirstTokensOfALongContextKnowNothingOfTheRestAndTheLastPositionLearns() {
        int length = 8192;
        Parameters parameters = parameters(config(length));
        int[] inputs = random(1, length);
        int[] targets = random(2, length);
        Gpt whole = gpt(parameters, BatchShape.dense(1, length), Kind.FLASH);
        assertThat(run(whole, parameters, inputs, targets)).isFinite();
        float[] long8192 = new float[length];
        device.download(whole.losses(), long8192);
        Gpt beginning = gpt(parameters, BatchShape.dense(1, SHORT), Kind.FLASH);
        beginning.load(Arrays.copyOf(inputs, SHORT), Arrays.copyOf(targets, SHORT));
        float[] alone = losses(beginning, SHORT);
        for (int i = 0; i < SHORT; i++) {
            assertThat(long8192[i]).as("token %d", i).isCloseTo(alone[i], within((float) (tolerance() * alone[i])));
        }
        float[] positions = new float[length * 32];
        device.download(parameters.gradient("wpe.weight"), positions);
        double last = 0;
        for (int i = positions.length - 32; i < positions.length; i++) {
            last += Math.abs(positions[i]);
        }
        assertThat(last).isPositive();
    }

    @Test
    void aLongContextIsDecodedAsItIsRead() {
        int length = 8192;
        Parameters parameters = parameters(config(length));
        int[] inputs = random(5, length);
        Gpt whole = gpt(parameters, BatchShape.dense(1, length), Kind.FLASH);
        whole.load(inputs, inputs);
        whole.forward();
        float[] read = new float[29];
        device.download(whole.logits().slice(0, length - 1, 1).slice(1, 0, 29), read);
        GptDecoder decoder = new GptDecoder(
                parameters, 1, new Sdpa(device, arena, EnumSet.of(Kind.FLASH)), new Gpt.DeviceArena(device, arena));
        float[] decoded = new float[29];
        for (int token : inputs) {
            decoder.next(new int[] {token}, decoded);
        }
        assertThat(decoder.room()).isZero();
        assertThat(decoded).containsExactly(read, within(1e-3f));
    }

    @Test
    void aPackOf32768TokensHasTheLossesOfItsDocuments() {
        int length = 32768;
        int documents = length / SHORT;
        Parameters parameters = parameters(config(length));
        int[] inputs = random(3, length);
        int[] targets = random(4, length);
        int[] positions = new int[length];
        int[] cumulative = new int[documents + 2];
        for (int i = 0; i < length; i++) {
            positions[i] = i % SHORT;
        }
        for (int i = 1; i <= documents; i++) {
            cumulative[i] = i * SHORT;
        }
        cumulative[documents + 1] = length;
        Gpt packed = gpt(parameters, new BatchShape(1, length, documents + 1), Kind.FLASH);
        packed.loadPacked(inputs, targets, positions, cumulative);
        float[] inAPack = losses(packed, length);
        int rows = documents * SHORT;
        Gpt dense = gpt(parameters, BatchShape.dense(documents, SHORT), Kind.FLASH);
        dense.load(Arrays.copyOf(inputs, rows), Arrays.copyOf(targets, rows));
        float[] alone = losses(dense, rows);
        for (int i = 0; i < rows; i++) {
            if (Math.abs(inAPack[i] - alone[i]) > tolerance() * alone[i]) {
                assertThat(inAPack[i]).as("token %d", i).isEqualTo(alone[i]);
            }
        }
    }
}
