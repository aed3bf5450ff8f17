package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.nn.parameter.Parameters;
import java.nio.FloatBuffer;

/** The weights on a rank that holds all of them, from and to one array. */
public final class FlatWeights {
    private FlatWeights() {}

    /** A flat F32 copy. */
    public static float[] of(Device device, Parameters parameters) {
        float[] flat = new float[Math.toIntExact(parameters.count())];
        device.download(parameters.master(), flat);
        return flat;
    }

    /** Overwrites all weights. */
    public static void load(float[] flat, Parameters parameters) {
        parameters.set(0, FloatBuffer.wrap(flat));
    }
}
