package dev.kindling.bench;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;

/** PyTorch's CPU library as DJL ships it (libtorch with MKL), the peer of the benchmarks. Nothing is downloaded. */
final class PyTorch {
    private PyTorch() {}

    /** Loads libtorch; its version comes back. */
    static String load() {
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
        return Engine.getEngine("PyTorch").getVersion();
    }

    /** Whether DJL and its natives are on the class path at all. */
    static boolean present() {
        try {
            Class.forName("ai.djl.pytorch.jni.JniUtils", false, PyTorch.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    static NDManager manager() {
        return NDManager.newBaseManager("PyTorch");
    }

    /** OpenMP keeps this setting per calling thread, and oneDNN shares the OpenMP library: set it before each run. */
    static void threads(int count) {
        JniUtils.setNumThreads(count);
    }
}
