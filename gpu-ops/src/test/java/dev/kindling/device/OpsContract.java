package dev.kindling.device;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What {@link Ops} must do on every device; a subclass says which. One interface of tests per op. */
public abstract class OpsContract
        implements CopyContract,
                EmbeddingContract,
                LayerNormContract,
                MatmulContract,
                GeluContract,
                MatmulGeluContract,
                CrossEntropyContract,
                OptimizerContract,
                SoftmaxContract,
                FlashContract,
                DropoutContract {
    private OpsFixture fixture;

    /** A device of its own for each test. */
    protected abstract Device open();

    @BeforeEach
    void openDevice() {
        fixture = new OpsFixture(open());
    }

    @AfterEach
    void closeDevice() {
        if (fixture != null) { // else the device is not to be had here
            fixture.close();
        }
    }

    @Override
    public OpsFixture fixture() {
        return fixture;
    }
}
