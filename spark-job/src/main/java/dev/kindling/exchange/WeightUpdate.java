package dev.kindling.exchange;

/** The end of a step: from the summed gradients to new weights. */
public interface WeightUpdate {
    void run();

    /** Does it only enqueue work on the device, so that it can be captured? */
    boolean onDevice();
}
