package dev.kindling.tracking;

import dev.kindling.report.StepMetrics;
import java.util.ArrayList;
import java.util.List;

/**
 * One value of one metric.
 *
 * @param name as in {@code metrics.jsonl}
 * @param millis when it was measured, since the epoch
 */
record MetricValue(String name, double value, long step, long millis) {

    static List<MetricValue> of(StepMetrics step, long millis) {
        List<MetricValue> values = new ArrayList<>();
        values.add(new MetricValue("loss", step.loss(), step.step(), millis));
        values.add(new MetricValue("lr", step.lr(), step.step(), millis));
        values.add(new MetricValue("grad_norm", step.gradNorm(), step.step(), millis));
        values.add(new MetricValue("tokens_per_second", step.tokensPerSecond(), step.step(), millis));
        values.add(new MetricValue("step_millis", step.stepMillis(), step.step(), millis));
        step.valLoss().ifPresent(loss -> values.add(new MetricValue("val_loss", loss, step.step(), millis)));
        return values;
    }
}
