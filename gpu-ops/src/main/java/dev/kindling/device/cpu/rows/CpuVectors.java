package dev.kindling.device.cpu.rows;

import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides once per JVM whether the Vector API can be used, and logs it once. No class that names a Vector class is
 * loaded before the answer is yes.
 */
public final class CpuVectors {
    private static final String MODULE = "jdk.incubator.vector";
    private static final String FLAG = "--add-modules=" + MODULE;
    private static final Optional<String> REFUSAL = decide();

    private CpuVectors() {}

    /** Why the Vector API cannot be used, and which JVM flag would help; empty if it can. */
    public static Optional<String> whyNot() {
        return REFUSAL;
    }

    /** The fastest loops over rows that this JVM can run. */
    static RowKernels rows() {
        return REFUSAL.isPresent() ? new ScalarRows() : new VectorRows();
    }

    private static Optional<String> decide() {
        Logger log = LoggerFactory.getLogger(CpuVectors.class);
        Optional<String> refusal = refusal();
        refusal.ifPresentOrElse(
                reason -> log.warn("CPU maths runs in plain Java, several times slower: {}", reason),
                () -> log.info("CPU maths uses the Vector API"));
        return refusal;
    }

    private static Optional<String> refusal() {
        if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
            return Optional.of("this JVM (" + Runtime.version() + ") was started without module " + MODULE
                    + "; add " + FLAG + " to its options (for Spark: spark.driver.extraJavaOptions and"
                    + " spark.executor.extraJavaOptions)");
        }
        if (System.getProperty("java.vm.info", "").contains("interpreted")) {
            return Optional.of("this JVM interprets only (-Xint), where the Vector API is slower than plain Java");
        }
        return Optional.empty();
    }
}
