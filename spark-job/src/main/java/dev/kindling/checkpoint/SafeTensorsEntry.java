package dev.kindling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** One tensor's entry in a safetensors header; {@code [begin, end)} are byte offsets after the header. */
record SafeTensorsEntry(String name, List<Integer> dimensions, long begin, long end) {
    private static final Set<String> DTYPES = Set.of(
            "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64",
            "U64");

    static SafeTensorsEntry parse(String name, JsonNode node, String file) throws CheckpointException {
        JsonNode offsets = node.path("data_offsets");
        JsonNode shape = node.path("shape");
        if (!node.path("dtype").isTextual() || !shape.isArray() || offsets.size() != 2) {
            throw SafeTensors.damaged(file, "the entry of tensor " + name + " lacks dtype, shape or data_offsets");
        }
        String dtype = node.path("dtype").asText();
        if (!DTYPES.contains(dtype)) {
            throw SafeTensors.damaged(file, "tensor " + name + " has the unknown dtype " + dtype);
        }
        if (!dtype.equals("F32")) {
            throw new CheckpointException(
                    file + " cannot be read: tensor " + name + " is " + dtype + ", not F32; convert it to F32 first");
        }
        int[] extents = new int[shape.size()];
        for (int i = 0; i < extents.length; i++) {
            extents[i] = shape.get(i).isInt() ? shape.get(i).intValue() : -1;
        }
        long begin = offsets.get(0).asLong(-1);
        long end = offsets.get(1).asLong(-1);
        if (begin < 0 || end < begin || bytes(extents) != end - begin) {
            throw SafeTensors.damaged(
                    file, "tensor " + name + " of shape " + shape + " does not fill bytes " + begin + " to " + end);
        }
        return new SafeTensorsEntry(name, Arrays.stream(extents).boxed().toList(), begin, end);
    }

    /** Bytes of a float32 tensor that fits a Java array, or -1 for one that does not. */
    private static long bytes(int[] extents) {
        long count = 1;
        for (int extent : extents) {
            if (extent < 0 || (count *= extent) > Integer.MAX_VALUE - 8) {
                return -1;
            }
        }
        return count * Float.BYTES;
    }

    int count() {
        return (int) ((end - begin) / Float.BYTES);
    }

    int[] shape() {
        return dimensions.stream().mapToInt(Integer::intValue).toArray();
    }
}
