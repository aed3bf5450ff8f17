package dev.kindling.job;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.config.ConfigSource;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.device.Device;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.ProfileOptions;
import dev.kindling.profile.ChromeTrace;
import dev.kindling.profile.OperatorTable;
import dev.kindling.profile.Profiler;
import dev.kindling.run.StagedDirectory;
import dev.kindling.session.DriverDevice;
import dev.kindling.storage.Storage;
import dev.kindling.train.ProfiledTraining;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;

/**
 * Times the operators of a training step on the driver's device; prints the longest, and writes a trace and a table.
 */
final class ProfileJob implements Job<ProfileOptions> {
    private static final ProfiledTraining.WarmUp WARM_UP = new ProfiledTraining.WarmUp(3, Duration.ofSeconds(5));
    private static final int TOP = 20;

    private final PrintStream out;

    ProfileJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(ProfileOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        StagedDirectory results = StagedDirectory.at(options.out(), hadoop);
        TrainConfig config = configuration(options, new ConfigSource(hadoop, TrainConfig.defaults()));
        boolean cuda = DriverDevice.isCuda(config.cluster().device());
        try (results;
                Device device = DriverDevice.open(cuda, config.train().precision());
                Profiler profiler = new Profiler(device)) {
            int vocabulary = config.data().tokenizer().usualVocabulary();
            ProfiledTraining.ProfiledRun outcome = train(config, vocabulary, profiler, options.steps());
            OperatorTable table = OperatorTable.of(outcome.spans());
            print(options, device, outcome, table);
            StringBuilder trace = new StringBuilder();
            new ChromeTrace(device.description(), outcome.spans()).writeTo(trace);
            results.write("trace.json", trace.toString());
            results.write("operators.json", operators(options, device, outcome, table));
            results.publish();
            out.printf(
                    Locale.ROOT,
                    "trace: %s/trace.json (open it in chrome://tracing or ui.perfetto.dev)%n",
                    results.out());
        }
    }

    private static ProfiledTraining.ProfiledRun train(
            TrainConfig config, int vocabulary, Profiler profiler, int steps) {
        try {
            return ProfiledTraining.run(config, vocabulary, profiler, WARM_UP, steps);
        } catch (UnsupportedOperationException e) { // the attention backends' refusals
            throw new FatalJobException(e.getMessage(), e);
        }
    }

    private static TrainConfig configuration(ProfileOptions options, ConfigSource source) throws IOException {
        if (options.config().isPresent()) {
            return source.load(options.config().get(), options.overrides());
        }
        TrainConfig cpu = source.builtIn("shakespeare-char-cpu", options.overrides());
        return DriverDevice.isCuda(cpu.cluster().device())
                ? source.builtIn("shakespeare-char", options.overrides())
                : cpu;
    }

    private void print(
            ProfileOptions options, Device device, ProfiledTraining.ProfiledRun outcome, OperatorTable table) {
        out.printf(
                Locale.ROOT,
                "%s, %s, attention %s: %d steps of %,d tokens, not compiled%n",
                device.description(),
                device.precision(),
                outcome.attention(),
                options.steps(),
                outcome.tokensPerStep());
        out.printf(
                Locale.ROOT,
                "a step: %.3f ms of wall time, %.3f ms of operators; %,.0f tokens/s%s; peak memory %,.1f MiB; loss %.4f%n%n",
                outcome.stepMillis(),
                table.totalMicros() / 1e3 / options.steps(),
                1000 * outcome.tokensPerStep() / outcome.stepMillis(),
                outcome.joulesPerThousandTokens() == null
                        ? ""
                        : String.format(Locale.ROOT, ", %.3g J per thousand tokens", outcome.joulesPerThousandTokens()),
                device.peakBytes() / (double) (1 << 20),
                outcome.loss());
        out.println(table.format(TOP));
    }

    private static ObjectNode operators(
            ProfileOptions options, Device device, ProfiledTraining.ProfiledRun outcome, OperatorTable table) {
        ObjectNode root = JsonNodeFactory.instance
                .objectNode()
                .put("device", device.description())
                .put("precision", device.precision().name())
                .put("attention", outcome.attention())
                .put("steps", options.steps())
                .put("tokens_per_step", outcome.tokensPerStep())
                .put("step_millis", outcome.stepMillis())
                .put("peak_bytes", device.peakBytes());
        if (outcome.joulesPerThousandTokens() != null) {
            root.put("joules_per_thousand_tokens", outcome.joulesPerThousandTokens());
        }
        ArrayNode rows = root.putArray("operators");
        for (OperatorTable.Row row : table.rows()) {
            rows.addObject()
                    .put("operator", row.operator())
                    .put("self_device_micros", row.selfMicros())
                    .put("share", row.share())
                    .put("calls", row.calls())
                    .put("average_micros", row.averageMicros());
        }
        return root;
    }
}
