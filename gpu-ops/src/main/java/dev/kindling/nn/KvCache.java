package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.Tensor;

/** Keys and values of the tokens seen so far, (layers, 2, B, H, T, D) in the activation type. */
final class KvCache {
    private final Tensor all;
    private final int capacity;
    private int length;

    KvCache(GptConfig config, int batch, Device device, Arena arena) {
        capacity = config.blockSize();
        all = arena.allocate(
                "key/value cache",
                device.activationType(),
                config.layers(),
                2,
                batch,
                config.heads(),
                capacity,
                config.headDim());
    }

    int capacity() {
        return capacity;
    }

    /** How many tokens are cached; the next one goes to this position. */
    int length() {
        return length;
    }

    void advance() {
        length++;
    }

    void clear() {
        length = 0;
    }

    /** The keys of a layer, (B, H, T, D) in the activation type. */
    Tensor keys(int layer) {
        return all.select(0, layer).select(0, 0);
    }

    /** The values of a layer, (B, H, T, D) in the activation type. */
    Tensor values(int layer) {
        return all.select(0, layer).select(0, 1);
    }
}
