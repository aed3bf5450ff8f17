package dev.kindling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * What a checkpoint holds besides tensors.
 *
 * @param step optimizer steps done
 * @param config the run's configuration, section by section
 * @param tokenizer the tokenizer, in its own JSON form
 * @param seed the seed from which every random number of the run follows, together with the step
 * @param dataPosition sequences drawn so far
 * @param worldSize ranks that trained it
 * @param bestValLoss the lowest validation loss so far, in nats a token; empty before the first evaluation
 * @param bestStep the step at which it was measured, whose checkpoint is kept; empty before the first evaluation
 */
public record CheckpointState(
        long step,
        JsonNode config,
        JsonNode tokenizer,
        long seed,
        long dataPosition,
        int worldSize,
        OptionalDouble bestValLoss,
        OptionalLong bestStep) {

    ObjectNode toJson() {
        ObjectNode node = JsonMapper.builder().build().createObjectNode();
        node.put("step", step)
                .put("seed", seed)
                .put("data_position", dataPosition)
                .put("world_size", worldSize);
        if (bestValLoss.isPresent()) {
            node.put("best_val_loss", bestValLoss.getAsDouble());
        }
        if (bestStep.isPresent()) {
            node.put("best_step", bestStep.getAsLong());
        }
        node.set("config", config);
        node.set("tokenizer", tokenizer);
        return node;
    }

    /** @throws CheckpointException when a field is missing or of another kind; {@code file} names it */
    static CheckpointState fromJson(JsonNode node, String file) throws CheckpointException {
        for (String field : new String[] {"step", "seed", "data_position", "world_size"}) {
            if (!node.path(field).isIntegralNumber()) {
                throw new CheckpointException(
                        file + " is damaged: it holds no " + field + "; resume from another checkpoint");
            }
        }
        JsonNode best = node.path("best_val_loss");
        JsonNode bestStep = node.path("best_step"); // not in checkpoints of version 0.1
        return new CheckpointState(
                node.get("step").longValue(),
                node.path("config"),
                node.path("tokenizer"),
                node.get("seed").longValue(),
                node.get("data_position").longValue(),
                node.get("world_size").intValue(),
                best.isNumber() ? OptionalDouble.of(best.doubleValue()) : OptionalDouble.empty(),
                bestStep.isIntegralNumber() ? OptionalLong.of(bestStep.longValue()) : OptionalLong.empty());
    }
}
