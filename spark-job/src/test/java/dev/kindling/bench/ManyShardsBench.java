package dev.kindling.bench;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.input.Named;
import dev.kindling.job.CommandRuns;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.prepare.SmallShards;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.FileUtil;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * A corpus of very many shards: prepared in this process, whose heap (-Xmx) is the driver's, then trained on from windows and
 * from whole documents, as a user does it with a driver of 1 GiB. Prints the most that was left on this heap after a
 * collection, what opening the manifest takes, and where the starts went. Arguments: shards (default 100,000), tokens a shard
 * (64). Run in the checkout's root, with the environment of the integration tests and -Xmx1g; it takes as many inodes as
 * there are shards.
 */
public final class ManyShardsBench {
    private static final String DOCUMENT =
            "A document of these few words, and none of them is much longer than another.\n";

    private ManyShardsBench() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        int shards = args.length > 0 ? Integer.parseInt(args[0]) : 100_000;
        int tokens = args.length > 1 ? Integer.parseInt(args[1]) : 64;
        Path folder = Files.createTempDirectory("kindling-many-shards");
        try {
            long began = System.nanoTime();
            prepare(folder, (long) shards * tokens, tokens);
            System.out.printf(
                    Locale.ROOT,
                    "prepared in %.0f s, heap of %d MiB: at most %d MiB after a collection%n",
                    (System.nanoTime() - began) / 1e9,
                    Runtime.getRuntime().maxMemory() >> 20,
                    mostAfterCollections() >> 20);
            open(folder.resolve("shards"));
            open(folder.resolve("shards"));
            for (String packing : List.of("windows", "documents")) {
                train(folder, packing);
            }
        } finally {
            FileUtil.fullyDelete(folder.toFile());
        }
    }

    private static void prepare(Path folder, long tokens, int shardTokens) throws IOException {
        Path corpus = Files.createDirectories(folder.resolve("corpus"));
        int texts = 64; // tasks write side by side
        for (int text = 0; text < texts; text++) {
            try (PrintStream out =
                    new PrintStream(Files.newOutputStream(corpus.resolve(text + ".txt")), false, "UTF-8")) {
                for (long written = 0; written < tokens / texts; written += DOCUMENT.length()) {
                    out.print(DOCUMENT);
                }
            }
        }
        SparkConf conf = new SparkConf(false)
                .setMaster("local[4]")
                .setAppName("many shards")
                .set("spark.ui.enabled", "false");
        try (JavaSparkContext spark = new JavaSparkContext(conf)) {
            ShardPreparation.Request request = new ShardPreparation.Request(
                    new Named(Named.Option.CORPUS, corpus.toString(), null, null),
                    TokenizerKind.CHAR,
                    Optional.empty(),
                    0.1);
            ShardSet set = SmallShards.prepare(
                    spark,
                    request,
                    new org.apache.hadoop.fs.Path(folder.resolve("shards").toUri()),
                    shardTokens);
            System.out.printf(Locale.ROOT, "%,d shards%n", set.shards().size());
        }
    }

    private static long mostAfterCollections() {
        System.gc();
        return ManagementFactory.getMemoryPoolMXBeans().stream()
                .map(MemoryPoolMXBean::getCollectionUsage)
                .filter(usage -> usage != null)
                .mapToLong(java.lang.management.MemoryUsage::getUsed)
                .sum();
    }

    /** What each rank does first. */
    private static void open(Path shards) throws IOException {
        System.gc();
        long before = used();
        long began = System.nanoTime();
        ShardSet set = ShardSet.open(new LocalShardFolder(shards));
        double millis = (System.nanoTime() - began) / 1e6;
        System.gc();
        System.out.printf(
                Locale.ROOT,
                "a manifest of %,d bytes opened in %.0f ms, and %d MiB are held for %,d shards%n",
                Files.size(shards.resolve("manifest.json")),
                millis,
                (used() - before) >> 20,
                set.shards().size());
    }

    private static long used() {
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    private static void train(Path folder, String packing) throws IOException, InterruptedException {
        List<String> submit = new ArrayList<>(List.of("./submit.sh", "--driver-memory", "1g"));
        submit.addAll(List.of(CommandRuns.trainArguments(
                folder.resolve("run-" + packing),
                folder.resolve("shards").toString(),
                "--set",
                "data.packing=" + packing,
                "--set",
                "model.block_size=64",
                "--set",
                "train.max_steps=5",
                "-v")));
        ProcessBuilder builder = new ProcessBuilder(submit).inheritIO();
        builder.environment().remove("SPARK_HOME");
        Process job = builder.start();
        boolean ended = job.waitFor(10, TimeUnit.MINUTES);
        System.out.println(packing + ": exit code " + (ended ? job.exitValue() : "none"));
        job.destroy();
    }
}
