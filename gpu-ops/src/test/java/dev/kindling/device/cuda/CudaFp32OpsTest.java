package dev.kindling.device.cuda;

import dev.kindling.device.Device;
import dev.kindling.device.OpsContract;
import dev.kindling.device.Precision;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** The contract of all devices on a GPU in strict fp32. FLASH has no such form: its tests are not taken over. */
class CudaFp32OpsTest extends OpsContract {
    private static CudaDevice keepsTheContext;

    @BeforeAll
    static void openFirst() {
        keepsTheContext = Gpu.open(Precision.FP32);
    }

    @AfterAll
    static void closeLast() {
        if (keepsTheContext != null) {
            keepsTheContext.close();
        }
    }

    @Override
    protected Device open() {
        return CudaDevice.open(0, Precision.FP32);
    }

    // Overriding without @Test takes the inherited test out.

    @Override
    public void flashMatchesTheFormula(
            int b, int h, int tq, int tk, int d, boolean causal, float probability, double spread) {}

    @Override
    public void flashKeepsPackedSequencesApart(int[] cumulative) {}

    @Override
    public void flashKeepsPackedSequencesOfManyTilesApart() {}

    @Override
    public void flashTakesABoundFarAboveTheLengths() {}

    @Override
    public void flashDropsTheReferencesScores(int t, int d, boolean causal) {}

    @Override
    public void flashLargeLogitsStayExact() {}

    @Override
    public void flashRowsThatSeeNothingGiveZeroAndInfinity() {}

    @Override
    public void flashRepeatedRunsAreEqualBitForBit(int length, int d, float probability) {}

    @Override
    public void flashRefusesAMaskAndNamesIt() {}

    @Override
    public void flashRefusesValuesOfAnotherWidth() {}
}
