package dev.kindling.job;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.config.ConfigException;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.generate.Completions;
import dev.kindling.generate.GenerationSettings;
import dev.kindling.generate.LoadedGenerator;
import dev.kindling.generate.Prompt;
import dev.kindling.generate.Prompts;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.DeviceSettings;
import dev.kindling.job.options.GenerateOptions;
import dev.kindling.local.Completion;
import dev.kindling.nn.sample.Sampling;
import dev.kindling.nn.sample.TextGenerator;
import dev.kindling.run.RunPath;
import dev.kindling.run.StagedDirectory;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Continues a prompt on the driver's device, printing text as it comes, or a file of prompts in a Spark job. Equal
 * seeds give equal texts.
 */
final class GenerateJob implements Job<GenerateOptions> {
    @Override
    public void run(GenerateOptions options) throws Exception {
        Configuration hadoop = Storage.settings();
        NamedCheckpoint resolved =
                NamedCheckpoint.of(RunPath.absolute(options.checkpoint(), hadoop), options.which(), hadoop);
        resolved.choice().ifPresent(choice -> System.err.println("kindling: " + choice));
        Path checkpoint = resolved.directory();
        int batch = options.file().map(GenerateOptions.PromptFile::batch).orElse(1);
        GenerationSettings writing = writing(options, checkpoint, batch);
        if (options.file().isPresent()) {
            continueFile(options, options.file().get(), writing, hadoop);
        } else {
            DriverWork.run("generate", () -> continuePrompt(options, writing, checkpoint, hadoop));
        }
    }

    private static GenerationSettings writing(GenerateOptions options, Path checkpoint, int batch) {
        GenerateOptions.Style style = options.style();
        DeviceSettings hardware = options.hardware();
        Sampling sampling;
        try {
            sampling = new Sampling((float) style.temperature(), style.topK(), (float) style.topP());
        } catch (IllegalArgumentException e) {
            throw new ConfigException(e.getMessage(), e);
        }
        GenerationSettings.ModelChoice model = new GenerationSettings.ModelChoice(
                checkpoint.toString(), hardware.device(), hardware.precision(), hardware.attention(), batch);
        return new GenerationSettings(
                model, sampling, style.maxTokens(), style.stops(), style.numSamples(), style.seed());
    }

    private static void continuePrompt(
            GenerateOptions options, GenerationSettings writing, Path checkpoint, Configuration hadoop)
            throws IOException {
        DeviceSettings hardware = options.hardware();
        boolean cuda = DriverDevice.isCuda(hardware.device());
        PrintStream out = System.out;
        try (LoadedGenerator writer = LoadedGenerator.load(
                writing.model(), checkpoint, () -> DriverDevice.open(cuda, hardware.precision()), hadoop)) {
            String text = options.prompt().orElseThrow();
            int[] prompt = writer.tokenizer().encode(text);
            for (int sample = 0; sample < writing.samples(); sample++) {
                out.print((sample == 0 ? "" : "---\n") + text);
                Completion completion = new Completion(writer.tokenizer(), writing.stops(), piece -> {
                    out.print(piece);
                    out.flush();
                });
                writer.write(
                        List.of(new TextGenerator.Request(prompt, writing.seed(0, sample), completion::accept)),
                        writing.maxTokens(),
                        writing.sampling());
                completion.end();
                out.println();
            }
        }
    }

    private static void continueFile(
            GenerateOptions options, GenerateOptions.PromptFile file, GenerationSettings writing, Configuration hadoop)
            throws IOException {
        StagedDirectory results = StagedDirectory.at(file.out(), hadoop);
        Path checkpoint = new Path(writing.model().checkpoint());
        CheckpointState state = CheckpointStore.around(checkpoint, hadoop).loadState(checkpoint);
        Tokenizer tokenizer = Tokenizers.fromJson(state.tokenizer(), checkpoint + "/state.json");
        List<Prompt> prompts = Prompts.read(file.path(), tokenizer, file.tasks().skipBad(), hadoop);
        int gpus = DriverDevice.gpus(options.hardware().device());
        int executors = file.tasks().executors(gpus);
        try (results;
                SparkSessions.Application application =
                        SparkSessions.openWithoutBarriers("generate", executors, gpus)) {
            int slots = Math.max(executors, application.spark().defaultParallelism());
            int tasks = Math.min(prompts.size(), file.tasks().partitions().orElse(slots));
            Output output = new Output(application.session(), results);
            JobWatch.over(
                    application.spark().sc(),
                    results.out().toString(),
                    () -> complete(new Completions(writing, prompts), file, tasks, output));
            results.publish();
        }
        System.out.println("results: " + results.out());
    }

    private record Output(SparkSession session, StagedDirectory results) {}

    private static Row complete(Completions completions, GenerateOptions.PromptFile file, int tasks, Output output)
            throws IOException {
        long began = System.nanoTime();
        String table = output.results().path("completions").toString();
        completions.of(output.session(), tasks).write().format(file.format()).save(table);
        double seconds = (System.nanoTime() - began) / 1e9;
        Dataset<Row> written = output.session()
                .read()
                .schema(Completions.SCHEMA)
                .format(file.format())
                .load(Storage.asPattern(table));
        Row counts = written.selectExpr("count(text)", "count(skipped)", "coalesce(sum(tokens), 0)")
                .first();
        long tokens = counts.getLong(2);
        ObjectNode summary = JsonNodeFactory.instance.objectNode();
        summary.put("checkpoint", completions.writing().model().checkpoint())
                .put("prompts", file.path())
                .put("texts", counts.getLong(0))
                .put("skipped", counts.getLong(1))
                .put("tokens", tokens)
                .put("seed", completions.writing().seed())
                .put("seconds", seconds)
                .put("tokens_per_second", tokens / seconds);
        output.results().write("summary.json", summary);
        System.out.printf(
                Locale.ROOT,
                "wrote %,d text(s), %,d tokens in %.1f s, %,.0f tokens/s%n",
                counts.getLong(0),
                tokens,
                seconds,
                tokens / seconds);
        if (counts.getLong(1) > 0) {
            System.out.printf(
                    Locale.ROOT,
                    "skipped %,d prompt(s), for example: %s%n",
                    counts.getLong(1),
                    written.filter("skipped is not null").first().<String>getAs("skipped"));
        }
        return counts;
    }
}
