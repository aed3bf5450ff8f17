package dev.kindling.job;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigSource;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.GenerationPlan;
import dev.kindling.coordinate.Generations;
import dev.kindling.coordinate.TopicHandlers;
import dev.kindling.coordinate.Transport;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.GenerationFailedException;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.doctor.DriverChecks;
import dev.kindling.doctor.Finding;
import dev.kindling.doctor.Finding.Verdict;
import dev.kindling.doctor.RankChecks;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.DoctorOptions;
import dev.kindling.run.RunPath;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/** Checks the cluster as training would use it; prints a table, with a fix for every warning and failure. */
final class DoctorJob implements Job<DoctorOptions> {
    private static final int ATTEMPTS = 1;
    /** No gradients are summed here, only small messages are sent. */
    private static final long NO_ELEMENTS = 1;

    private final PrintStream out;

    DoctorJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(DoctorOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        TrainConfig config =
                new ConfigSource(hadoop, DriverDevice.defaults()).builtIn("shakespeare-char-cpu", options.overrides());
        Path directory = RunPath.absolute(options.out(), hadoop);
        List<Finding> findings = findings(config, directory);
        print(findings);
        long failed = findings.stream().filter(f -> f.verdict() == Verdict.FAIL).count();
        if (failed > 0) {
            throw new FatalJobException(
                    "%d of %d checks failed; do what the table says and run doctor again", failed, findings.size());
        }
    }

    private List<Finding> findings(TrainConfig config, Path directory) {
        int executors = config.cluster().executors();
        List<Finding> findings = new ArrayList<>();
        try (SparkSessions.Application application = SparkSessions.openForBarriers(
                "doctor", executors, DriverDevice.gpus(config.cluster().device()))) {
            JavaSparkContext spark = application.spark();
            findings.addAll(DriverChecks.check(spark.getConf(), spark.master(), spark.version()));
            try (Coordinator coordinator = new Coordinator(spark, new TopicHandlers())) {
                GenerationPlan plan = new GenerationPlan(
                        executors, executors, Transport.RING, NO_ELEMENTS, ATTEMPTS, Limits.of(spark.getConf()));
                byte[] result = new Generations(spark, coordinator, plan)
                        .run(new RankChecks(config, directory.toString()), () -> 0)
                        .result();
                findings.add(new Finding("slots", "driver", executors + " ranks started", Verdict.OK, ""));
                findings.addAll(RankChecks.decode(result));
            }
        } catch (ConfigException e) {
            findings.add(Finding.fail("spark settings", "driver", e.getMessage(), "change the setting named"));
        } catch (FatalJobException | GenerationFailedException e) {
            findings.add(
                    Finding.fail("executors", "driver", e.getMessage(), "see the message, and the executors' logs"));
        }
        return findings;
    }

    private void print(List<Finding> findings) {
        int check = width(findings.stream().map(Finding::check).toList(), "check");
        int where = width(findings.stream().map(Finding::where).toList(), "where");
        String row = "%-" + check + "s  %-" + where + "s  %-4s  %s%n";
        out.printf(Locale.ROOT, row, "check", "where", "", "found");
        for (Finding finding : findings) {
            out.printf(Locale.ROOT, row, finding.check(), finding.where(), finding.verdict(), finding.found());
            if (!finding.fix().isEmpty()) {
                out.printf(Locale.ROOT, row, "", "", "", "fix: " + finding.fix());
            }
        }
    }

    private static int width(List<String> cells, String heading) {
        return Math.max(
                heading.length(), cells.stream().mapToInt(String::length).max().orElse(0));
    }
}
