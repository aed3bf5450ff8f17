package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/** AdamW's moments of all weights, in the layout of the flat buffers, for a checkpoint. */
record Moments(float[] first, float[] second) {
    /**
     * Collects them on rank 0; empty on the other ranks. With slices all ranks call it together, without rank 0 alone may.
     */
    static Optional<Moments> collect(
            AdamW adamW, Device device, AllReduce allReduce, Parameters parameters, Optional<Slices> slices) {
        boolean root = allReduce.rank() == 0;
        if (slices.isEmpty()) {
            return root
                    ? Optional.of(new Moments(
                            download(adamW.firstMoments(), device), download(adamW.secondMoments(), device)))
                    : Optional.empty();
        }
        int[] bounds = slices.get().bounds();
        float[][] whole = new float[2][root ? Math.toIntExact(parameters.count()) : 0];
        allReduce.gather(download(adamW.firstMoments(), device), whole[0], bounds);
        allReduce.gather(download(adamW.secondMoments(), device), whole[1], bounds);
        return root ? Optional.of(new Moments(whole[0], whole[1])) : Optional.empty();
    }

    private static float[] download(Tensor tensor, Device device) {
        float[] flat = new float[Math.toIntExact(tensor.count())];
        device.download(tensor, flat);
        return flat;
    }
}
