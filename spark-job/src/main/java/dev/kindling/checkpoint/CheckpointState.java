package dev.kindling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.tensor.DType;
import java.util.ArrayList;
import java.util.List;
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
 * @param fp8History the largest values of past steps that FP8 training makes its scales from; empty in other precisions
 * @param steps what a rank knows of the last steps, ascending, where the driver that keeps the record was gone; else empty
 * @param trainTokens tokens of the corpus to train on, by which a resume knows a corpus that has changed; empty where nobody
 *     has counted them
 */
public record CheckpointState(
        long step,
        JsonNode config,
        JsonNode tokenizer,
        long seed,
        long dataPosition,
        int worldSize,
        OptionalDouble bestValLoss,
        OptionalLong bestStep,
        List<Float> fp8History,
        List<JsonNode> steps,
        OptionalLong trainTokens) {

    /** That of weights alone, of no corpus, and of another precision than FP8. */
    public CheckpointState(
            long step,
            JsonNode config,
            JsonNode tokenizer,
            long seed,
            long dataPosition,
            int worldSize,
            OptionalDouble bestValLoss,
            OptionalLong bestStep) {
        this(
                step,
                config,
                tokenizer,
                seed,
                dataPosition,
                worldSize,
                bestValLoss,
                bestStep,
                List.of(),
                List.of(),
                OptionalLong.empty());
    }

    /** What the moments of its optimizer are stored as: BF16 where they are trained so, else F32. */
    DType moments() {
        return config.path("train").path("moments").asText().equals("bf16") ? DType.BF16 : DType.F32;
    }

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
        if (trainTokens.isPresent()) {
            node.put("train_tokens", trainTokens.getAsLong());
        }
        if (!fp8History.isEmpty()) {
            ArrayNode history = node.putArray("fp8_history");
            fp8History.forEach(history::add);
        }
        if (!steps.isEmpty()) {
            node.putArray("steps").addAll(steps);
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
        JsonNode trainTokens = node.path("train_tokens"); // neither
        List<Float> fp8History = new ArrayList<>(); // of FP8 training alone
        node.path("fp8_history").forEach(value -> fp8History.add(value.floatValue()));
        List<JsonNode> steps = new ArrayList<>(); // of a checkpoint that was written without a driver
        node.path("steps").forEach(steps::add);
        return new CheckpointState(
                node.get("step").longValue(),
                node.path("config"),
                node.path("tokenizer"),
                node.get("seed").longValue(),
                node.get("data_position").longValue(),
                node.get("world_size").intValue(),
                best.isNumber() ? OptionalDouble.of(best.doubleValue()) : OptionalDouble.empty(),
                bestStep.isIntegralNumber() ? OptionalLong.of(bestStep.longValue()) : OptionalLong.empty(),
                fp8History,
                steps,
                trainTokens.isIntegralNumber() ? OptionalLong.of(trainTokens.longValue()) : OptionalLong.empty());
    }
}
