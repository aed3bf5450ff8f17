package dev.kindling.report;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.report.BackendReport.RankRow;
import dev.kindling.report.BackendReport.Row;
import dev.kindling.report.BackendReport.Timing;

/** A {@link BackendReport} as {@code report.json}: all numbers, with the samples that they come from. */
public final class BackendJson {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private BackendJson() {}

    public static ObjectNode of(BackendReport report) {
        ObjectNode root = JSON.createObjectNode();
        BackendReport.About about = report.about();
        root.put("title", about.title()).put("created", about.created());
        root.set("environment", JSON.valueToTree(about.environment()));
        root.putObject("method")
                .put("warm_up_steps", about.method().warmUp())
                .put("rounds", about.method().rounds())
                .put("steps_a_round", about.method().steps())
                .put("interval_95", Estimate.FORMULA)
                .put("flops", BackendReport.Work.FORMULA);
        root.set("notes", JSON.valueToTree(about.notes()));
        root.put("config", about.config());
        ArrayNode rows = root.putArray("results");
        report.rows().forEach(row -> write(row, rows.addObject()));
        return root;
    }

    private static void write(Row row, ObjectNode node) {
        node.put("executors", row.executors())
                .put("length", row.length())
                .put("mode", row.mode())
                .put("backend", row.backend());
        if (!row.ran()) {
            node.put("refusal", row.refusal());
            return;
        }
        write("step", row.step(), node);
        write("forward", row.forward(), node);
        write("speedup", row.speedup(), node);
        row.mfu().ifPresent(mfu -> node.put("mfu", mfu));
        row.joulesPerThousandTokens().ifPresent(energy -> node.put("joules_per_thousand_tokens", energy));
        node.put("memory_bytes", row.bytes()).put("attention_share", row.attentionShare());
        node.putObject("loss_parity")
                .put("reference", row.parity().reference())
                .put("max_relative_difference", row.parity().difference())
                .put("tolerance", row.parity().tolerance())
                .put("holds", row.parity().holds());
        ArrayNode ranks = node.putArray("ranks");
        row.ranks().forEach(rank -> write(rank, ranks.addObject()));
    }

    private static void write(RankRow rank, ObjectNode node) {
        node.put("rank", rank.rank().rank())
                .put("host", rank.rank().host())
                .put("executor", rank.rank().executor())
                .put("device", rank.rank().device())
                .put("precision", rank.rank().precision())
                .put("attention", rank.measured().ran())
                .put("allreduce", rank.measured().allreduce())
                .put("sequences", rank.measured().sequences());
        if (rank.rank().peakFlops() > 0) {
            node.put("peak_flops", rank.rank().peakFlops());
        }
        node.put("peak_basis", rank.rank().peakBasis());
        write("step", rank.step(), node);
        write("forward", rank.forward(), node);
        rank.mfu().ifPresent(mfu -> node.put("mfu", mfu));
        if (rank.measured().joulesPerThousandTokens() != null) {
            node.put("joules_per_thousand_tokens", rank.measured().joulesPerThousandTokens());
        }
        node.put("memory_bytes", rank.measured().bytes())
                .put("attention_share", rank.measured().attentionShare());
        node.set("loss_sums", JSON.valueToTree(rank.measured().lossSums()));
    }

    private static void write(String name, Timing timing, ObjectNode node) {
        write(name + "_millis", timing.millis(), node);
        write(name + "_tokens_per_second", timing.tokensPerSecond(), node);
    }

    private static void write(String name, Estimate estimate, ObjectNode node) {
        ObjectNode own = node.putObject(name).put("mean", estimate.mean());
        if (!Double.isNaN(estimate.halfWidth())) {
            own.put("half_width_95", estimate.halfWidth());
        }
        own.set("samples", JSON.valueToTree(estimate.samples()));
    }
}
