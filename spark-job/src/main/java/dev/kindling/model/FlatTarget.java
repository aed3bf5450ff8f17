package dev.kindling.model;

import dev.kindling.device.Device;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;

/** Takes F32 values in the layout of the flat buffers of {@link dev.kindling.nn.parameter.Parameters}. */
public interface FlatTarget {
    /** Takes the values from {@code offset} on, from a tensor of a device: as the work enqueued so far leaves it. */
    void take(Device device, long offset, Tensor values);

    /** Takes some values, those from {@code offset} on, as many as the buffer has left; its position stays. */
    void take(long offset, FloatBuffer values);
}
