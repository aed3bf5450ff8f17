package dev.kindling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which part of a state that is divided over ranks ({@code train.zero: 1}) a checkpoint of pieces holds. Its tensors are
 * flat and named {@link #piece}: {@code wte.weight@4096} has elements of {@code wte.weight} from 4096 on.
 *
 * @param training that all parts of one checkpoint are of
 * @param rank whose part it is
 * @param ranks that have one each
 * @param shapes of the whole weights by name
 */
record CheckpointPart(String training, int rank, int ranks, Map<String, List<Long>> shapes) {
    private static final char AT = '@';

    /** The name of a piece of a tensor. */
    static String piece(String tensor, long first) {
        return tensor + AT + first;
    }

    /** The tensor that a piece is of. */
    static String tensor(String piece) {
        return piece.substring(0, piece.lastIndexOf(AT));
    }

    /** The first element of a piece. */
    static long first(String piece) {
        return Long.parseLong(piece.substring(piece.lastIndexOf(AT) + 1));
    }

    ObjectNode toJson() {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        node.put("training", training).put("rank", rank).put("ranks", ranks);
        ObjectNode all = node.putObject("shapes");
        shapes.forEach((name, shape) -> shape.forEach(all.withArray(name)::add));
        return node;
    }

    /** Of what {@link #toJson} has written, which its checksum protects. */
    static CheckpointPart fromJson(JsonNode node) {
        Map<String, List<Long>> shapes = new TreeMap<>();
        node.path("shapes").properties().forEach(entry -> {
            List<Long> shape = new ArrayList<>();
            entry.getValue().forEach(extent -> shape.add(extent.longValue()));
            shapes.put(entry.getKey(), List.copyOf(shape));
        });
        return new CheckpointPart(
                node.path("training").asText(),
                node.path("rank").intValue(),
                node.path("ranks").intValue(),
                shapes);
    }
}
