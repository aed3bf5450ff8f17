package dev.kindling.exchange;

import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;

/** {@code train.zero: 1}: every rank updates its own weights, and all get all. */
public record ZeroUpdate(GradientClip clip, AdamW adamW, ZeroExchange exchange) implements WeightUpdate {
    @Override
    public void run() {
        exchange.clip(clip);
        adamW.step(exchange::updated);
        exchange.shareWeights();
    }

    @Override
    public boolean onDevice() {
        return exchange.onDevice();
    }
}
