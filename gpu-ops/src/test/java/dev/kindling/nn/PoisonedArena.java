package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * An arena of a device whose floating point tensors begin as NaN, so that a value that is used before it is written shows in
 * every result (also to compute-sanitizer's initcheck, which does not see what cuBLAS writes by bulk copies).
 */
record PoisonedArena(Device device, Arena arena) implements Arena {
    PoisonedArena(Device device, String name) {
        this(device, device.arena(name));
    }

    @Override
    public Tensor allocate(String name, DType dtype, Shape shape) {
        Tensor tensor = arena.allocate(name, dtype, shape);
        if (dtype == DType.F32 || dtype == DType.BF16 || dtype == DType.F16) {
            device.ops().fill(tensor, Float.NaN);
        }
        return tensor;
    }

    @Override
    public void close() {
        arena.close();
    }
}
