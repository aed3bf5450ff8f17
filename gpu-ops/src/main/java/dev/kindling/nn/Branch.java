package dev.kindling.nn;

import dev.kindling.device.Dropout;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;

/**
 * The output of a residual branch without its bias and dropout. The next layernorm applies both when it adds the branch
 * to the residual stream.
 *
 * @param values (rows, C)
 * @param bias (C), or null
 * @param dBias (C) F32, the bias's gradient, or null
 */
record Branch(Tensor values, Tensor bias, Tensor dBias, Dropout dropout) {
    static Branch of(BlockContext context, Tensor values, String projection, int site) {
        Parameters parameters = context.parameters();
        String bias = projection + ".bias";
        return new Branch(values, parameters.weight(bias), parameters.gradient(bias), context.dropout(site));
    }
}
