package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.Precision;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernels of sums between GPUs, with the memory of all ranks on one. */
class CudaPeerSumsTest {
    private static final int RANKS = 3;

    private CudaDevice device;
    private Arena arena;
    private CudaPeerSums kernels;

    @BeforeEach
    void open() {
        device = Gpu.open(Precision.BF16);
        arena = device.arena("test");
        kernels = new CudaPeerSums(device.context(), device.context().stream());
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    @Test
    void aRankThatLeavesABarrierBeforeTheOthersComeCountsNoFurther() {
        Tensor own = words(6, 0); // six barriers so far, and not left
        Tensor absent = words(6, 0);
        Tensor broken = words(1);
        long mailboxes = table(own, absent);
        kernels.barrier(mailboxes, CudaBuffer.address(broken), 0, 2);
        assertThat(read(own)).containsExactly(7, 1);
        kernels.barrier(mailboxes, CudaBuffer.address(broken), 0, 2);
        assertThat(read(own)).containsExactly(7, 1);
    }

    @Test
    void aBarrierThatAllHaveReachedEndsAlthoughTheGroupIsBroken() {
        Tensor own = words(6, 0);
        Tensor other = words(7, 0);
        kernels.barrier(table(own, other), CudaBuffer.address(words(1)), 0, 2);
        assertThat(read(own)).containsExactly(7, 0);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 1024, 4099, 70_001})
    void sumsAreThoseOfALoopOverTheRanks(int count) {
        float[][] values = new float[RANKS][count];
        Tensor[] tensors = new Tensor[RANKS];
        float[] sums = new float[count];
        Random random = new Random(count);
        for (int rank = 0; rank < RANKS; rank++) {
            for (int i = 0; i < count; i++) {
                values[rank][i] = (float) random.nextGaussian();
                sums[i] = rank == 0 ? values[0][i] : sums[i] + values[rank][i];
            }
        }
        Arrays.setAll(tensors, rank -> tensor("x" + rank, values[rank]));
        long table = table(tensors);
        kernels.reduce(new CudaPeerSums.Part(DType.F32, table, 0, count), 1, RANKS);
        assertThat(floats(tensors[1])).isEqualTo(sums);
        kernels.copy(new CudaPeerSums.Part(DType.F32, table, 0, count), 2, 1);
        assertThat(floats(tensors[2])).isEqualTo(sums);

        int stride = (count + 15) / 16 * 16;
        float[] others = new float[2 * stride];
        System.arraycopy(values[0], 0, others, 0, count);
        System.arraycopy(values[2], 0, others, stride, count);
        Tensor own = tensor("own", values[1]);
        long staged = CudaBuffer.address(tensor("others", others));
        kernels.sum(new CudaPeerSums.Summands(DType.F32, CudaBuffer.address(own), staged, stride, 1, RANKS), count);
        assertThat(floats(own)).isEqualTo(sums);

        Arrays.setAll(tensors, rank -> tensor("slot" + rank, values[rank]));
        Tensor combined = tensor("combined", new float[count]);
        kernels.combine(false, CudaBuffer.address(combined), table(tensors), RANKS, count);
        assertThat(floats(combined)).isEqualTo(sums);
        kernels.combine(true, CudaBuffer.address(combined), table(tensors), RANKS, count);
        for (int i = 0; i < count; i++) {
            sums[i] = Math.max(values[0][i], Math.max(values[1][i], values[2][i]));
        }
        assertThat(floats(combined)).isEqualTo(sums);
    }

    private Tensor words(int... values) {
        Tensor words = arena.allocate("words", DType.I32, values.length);
        device.upload(values, words);
        return words;
    }

    private int[] read(Tensor words) {
        int[] values = new int[(int) words.count()];
        device.synchronize();
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoH(
                        Pointer.to(values), CudaBuffer.pointer(words), (long) Integer.BYTES * values.length),
                "read words");
        return values;
    }

    private Tensor tensor(String name, float[] values) {
        Tensor tensor = arena.allocate(name, DType.F32, values.length);
        device.upload(values, tensor);
        return tensor;
    }

    private float[] floats(Tensor tensor) {
        float[] values = new float[(int) tensor.count()];
        device.download(tensor, values);
        return values;
    }

    /** The address, on the device, of the addresses of tensors. */
    private long table(Tensor... tensors) {
        int[] halves = new int[2 * tensors.length];
        for (int i = 0; i < tensors.length; i++) {
            long address = CudaBuffer.address(tensors[i]);
            halves[2 * i] = (int) address;
            halves[2 * i + 1] = (int) (address >>> 32);
        }
        return CudaBuffer.address(words(halves));
    }
}
