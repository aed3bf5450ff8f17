package dev.kindling.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.report.Stragglers;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * {@code summary.json}: how a run ended.
 *
 * @param steps optimizer steps done
 * @param trainLoss the last step's training loss, in nats per token; empty when the job did no step
 * @param bestValLoss the lowest validation loss, in nats per token; empty if none was evaluated
 * @param tokensPerSecond training tokens over all ranks, per second of training; empty when the job did no step
 * @param joulesPerThousandTokens the energy that rank 0's device drew for a thousand tokens of its own in the last
 *     generation, evaluation and checkpoints not counted; empty where the device has no counter of it
 * @param finishedStepsLost steps that were finished and computed again, since what the ranks held was lost with them
 * @param wallSeconds from the start of the job to its end
 * @param worldSize ranks of the last generation
 * @param peakBytes the most device memory that rank 0 held at once in the last generation
 * @param stragglers where each rank of the last generation spent its time
 * @param paddingSaved the share of rows that packing saved; empty without packing
 * @param ran what was really used: device, attention, allreduce, precision ...
 */
public record RunSummary(
        long steps,
        OptionalDouble trainLoss,
        OptionalDouble bestValLoss,
        OptionalDouble tokensPerSecond,
        OptionalDouble joulesPerThousandTokens,
        long finishedStepsLost,
        double wallSeconds,
        int worldSize,
        long peakBytes,
        Stragglers stragglers,
        OptionalDouble paddingSaved,
        Map<String, String> ran) {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    /** The number of steps in the text of such a file; 0 if it is damaged. */
    static long steps(String text) {
        try {
            return JSON.readTree(text).path("steps").asLong();
        } catch (JsonProcessingException e) {
            return 0;
        }
    }

    /** The content of the file. */
    ObjectNode toJson() {
        ObjectNode node = JSON.createObjectNode();
        node.put("steps", steps);
        trainLoss.ifPresent(loss -> node.put("train_loss", loss));
        bestValLoss.ifPresent(loss -> node.put("best_val_loss", loss));
        tokensPerSecond.ifPresent(speed -> node.put("tokens_per_second", speed));
        joulesPerThousandTokens.ifPresent(energy -> node.put("joules_per_thousand_tokens", energy));
        node.put("finished_steps_lost", finishedStepsLost);
        node.put("wall_seconds", wallSeconds).put("world_size", worldSize).put("peak_bytes", peakBytes);
        node.set("ranks", stragglers.toJson());
        stragglers.slowest().ifPresent(slowest -> node.put("straggler", slowest));
        paddingSaved.ifPresent(share -> node.put("padding_saved", share));
        new TreeMap<>(ran).forEach(node::put);
        return node;
    }
}
