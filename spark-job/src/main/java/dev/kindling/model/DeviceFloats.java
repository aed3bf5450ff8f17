package dev.kindling.model;

import dev.kindling.device.Device;
import dev.kindling.device.TensorReader;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;

/**
 * Values in a tensor of a device, which its arena frees.
 *
 * @param reader reads them beside the work of the device; closed by others, too
 */
public record DeviceFloats(Device device, Tensor tensor, TensorReader reader) implements FlatValues, FlatTarget {
    @Override
    public void read(long offset, FloatBuffer to) {
        reader.read(tensor.slice(0, offset, to.remaining()), to);
    }

    @Override
    public void take(Device from, long offset, Tensor values) {
        device.ops().copy(values, tensor.slice(0, offset, values.count()));
    }

    @Override
    public void take(long offset, FloatBuffer values) {
        device.upload(values, tensor.slice(0, offset, values.remaining()));
    }

    @Override
    public void close() {}
}
