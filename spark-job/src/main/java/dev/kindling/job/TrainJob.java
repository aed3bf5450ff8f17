package dev.kindling.job;

import dev.kindling.config.ClusterSection;
import dev.kindling.config.DataSection;
import dev.kindling.config.EnumText;
import dev.kindling.config.TrainConfig;
import dev.kindling.input.Named;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.ExportOptions.Format;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.report.StartClock;
import dev.kindling.report.StartTimes;
import dev.kindling.report.TrainingWatcher;
import dev.kindling.run.OwnedRun;
import dev.kindling.run.Resume;
import dev.kindling.run.RunDirectory;
import dev.kindling.run.RunSummary;
import dev.kindling.run.StartingPoint;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import dev.kindling.tracking.MlflowTracking;
import dev.kindling.train.TrainResult;
import java.io.IOException;
import java.util.Formatter;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;

/** Trains a model: configuration, run directory, shards, generations of ranks, summary and a sample. */
final class TrainJob implements Job<TrainOptions> {
    @Override
    public void run(TrainOptions options) throws Exception {
        long began = System.nanoTime();
        StartClock clock = StartClock.ofDriver();
        if (options.tracking().isPresent()) {
            MlflowTracking.require();
        }
        Configuration hadoop = Storage.settings();
        RunDirectory run = RunDirectory.at(options.out(), hadoop);
        boolean resume = run.resumes(options.resume());
        if (resume && options.resume() != Resume.YES) {
            System.out.println("going on with the run at " + run);
        }
        run.require(resume);
        TrainConfig asked = configuration(options, run, resume, hadoop);
        TrainingSettings.requireEnoughMicroBatches(asked);
        if (!resume && asked.data().table().isEmpty()) {
            ShardPreparation.requireCorpus(Named.corpus(asked.data()), run.path(), hadoop);
            tellDivided(asked.data(), hadoop);
        }
        StartingPoint start = run.start(asked, resume);
        Optional<String> finished = start.finished(run);
        if (finished.isPresent()) {
            System.out.println(finished.get());
            DriverWork.run("train", () -> exportFinished(run, start, options, hadoop));
            return;
        }
        start.notice().ifPresent(System.out::println);
        tellTokenizer(asked.data(), start.config().data());
        ClusterSection cluster = asked.cluster();
        clock.mark("configuration");
        try (OwnedRun owned = run.own(start.config(), resume);
                MlflowTracking tracking = RunTracking.begin(options, run, start.config(), resume);
                SparkSessions.Application application = SparkSessions.openForBarriers(
                        "train", cluster.allExecutors(), DriverDevice.gpus(cluster.device()))) {
            clock.mark("Spark");
            TrainingWatcher tracked = tracking == null ? TrainingWatcher.NONE : tracking::step;
            TrainingWatcher watcher = options.verbose() ? new StartTimes(clock, System.out, tracked) : tracked;
            Training.Watched watched = new Training.Watched(application.spark(), watcher);
            print(Training.run(start, run, owned, watched, began), start.config(), run);
            handOut(options, run, tracking, hadoop);
        }
    }

    /** Exports the model as asked, and as a Hugging Face folder where a tracking server gets it. */
    private static void handOut(TrainOptions options, RunDirectory run, MlflowTracking tracking, Configuration hadoop)
            throws IOException {
        if (options.export().isPresent()
                && (tracking == null || options.export().get() != Format.HF)) {
            ExportJob.intoRun(run.path(), options.export().get(), hadoop, System.out);
        }
        if (tracking != null) {
            tracking.finished(ExportJob.intoRun(run.path(), Format.HF, hadoop, System.out));
        }
    }

    private static void exportFinished(
            RunDirectory run, StartingPoint start, TrainOptions options, Configuration hadoop) throws IOException {
        if (options.export().isPresent() || options.tracking().isPresent()) {
            try (OwnedRun owned = run.own(start.config(), true);
                    MlflowTracking tracking = RunTracking.begin(options, run, start.config(), true)) {
                handOut(options, run, tracking, hadoop);
                owned.keep();
            }
        }
    }

    /** A share for validation that somebody asked for, where the corpus has its own. */
    private static void tellDivided(DataSection asked, Configuration hadoop) throws IOException {
        double usual = TrainConfig.defaults().data().valFraction();
        if (asked.valFraction() != usual && ShardPreparation.isDivided(Named.corpus(asked), hadoop)) {
            System.out.printf(
                    Locale.ROOT,
                    "data.val_fraction %s is not applied, as data.corpus was prepared with a part for validation; run prepare with --val-fraction for another%n",
                    asked.valFraction());
        }
    }

    private static void tellTokenizer(DataSection asked, DataSection own) {
        if (own.tokenizer() != asked.tokenizer()) {
            System.out.printf(
                    Locale.ROOT,
                    "data.tokenizer is %s and not %s, as data.corpus was prepared with it%n",
                    EnumText.of(own.tokenizer()),
                    EnumText.of(asked.tokenizer()));
        }
    }

    private static TrainConfig configuration(
            TrainOptions options, RunDirectory run, boolean resume, Configuration hadoop) throws IOException {
        return resume && options.config().isEmpty()
                ? run.config(options.overrides())
                : TrainingSettings.resolve(options.config(), options.overrides(), hadoop);
    }

    private static void print(Training.Outcome outcome, TrainConfig config, RunDirectory run) {
        TrainResult result = outcome.result();
        RunSummary summary = outcome.summary();
        summary.paddingSaved()
                .ifPresent(share -> System.out.printf(
                        Locale.ROOT,
                        "%n%.1f %% of the rows would be padding if each document were padded to block_size %d instead of packed%n",
                        100 * share,
                        config.model().blockSize()));
        System.out.printf(
                Locale.ROOT,
                "%n--- a sample ---%n%s%n---%n%n%s%nrun directory: %s%n",
                result.sample(),
                line(summary, result.bestStep()),
                run);
        tellEarlyEnd(config, result);
        summary.stragglers().slowest().ifPresent(slowest -> System.out.println("slow executor: " + slowest));
    }

    private static String line(RunSummary summary, long bestStep) {
        StringBuilder line = new StringBuilder();
        Formatter text = new Formatter(line, Locale.ROOT);
        text.format(
                "trained %d steps on %d executor(s) in %.1f s",
                summary.steps(), summary.worldSize(), summary.wallSeconds());
        summary.bestValLoss().ifPresent(loss -> text.format(": best validation loss %.4f at step %d", loss, bestStep));
        summary.tokensPerSecond().ifPresent(speed -> text.format(", %,.0f tokens/s", speed));
        summary.joulesPerThousandTokens().ifPresent(energy -> text.format(", %.3g J per thousand tokens", energy));
        Map<String, String> ran = summary.ran();
        text.format(" (%s, attention %s, allreduce %s)", ran.get("device"), ran.get("attention"), ran.get("allreduce"));
        return line.toString();
    }

    private static void tellEarlyEnd(TrainConfig config, TrainResult result) {
        if (result.steps() < config.train().maxSteps()) {
            System.out.printf(
                    Locale.ROOT,
                    "ended before train.max_steps %d: %d evaluations without a lower validation loss (train.patience)%n",
                    config.train().maxSteps(),
                    config.train().patience());
        }
    }
}
