package dev.kindling.bench;

import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.job.CommandRuns;
import dev.kindling.submit.FaultyProxy;
import dev.kindling.submit.S3Server;
import dev.kindling.submit.SparkProcesses;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;

/**
 * How long a training takes from submit.sh to its first step, where its shards lie on an S3 server that takes a while for
 * each request, and where they lie on this disk; each after a training that has left an archive of classes. Prints the
 * seconds, and the requests that there were until then. Arguments: shards (default 200), milliseconds a request (20). Needs
 * the environment of the integration tests.
 */
public final class StoreStartBench {
    private static final int SHARD_TOKENS = 1 << 18;
    private static final int STEPS = 20;
    private static final long PATIENCE_NANOS = 300_000_000_000L;

    private StoreStartBench() {}

    public static void main(String[] args) throws Exception {
        int shards = args.length > 0 ? Integer.parseInt(args[0]) : 200;
        Duration latency = Duration.ofMillis(args.length > 1 ? Long.parseLong(args[1]) : 20);
        Path folder = Files.createTempDirectory("kindling-store-start");
        try (S3Server server = new S3Server(folder);
                FaultyProxy proxy = new FaultyProxy(server.endpoint())) {
            EmbeddedCluster.linkJars(folder.resolve("jars"), SparkProcesses.sparkJars());
            server.makeBucket("runs");
            writeShards(folder.resolve("shards"), shards);
            copy(folder.resolve("shards"), server.bucket("runs"));
            proxy.latency(latency);
            start(folder, "first", folder.resolve("shards").toString(), proxy);
            Start local = start(folder, "local", folder.resolve("shards").toString(), proxy);
            Start store = start(folder, "store", "s3a://runs/shards", proxy);
            System.out.printf(
                    Locale.ROOT,
                    "%d shards: %.1f s to the first step on this disk; %.1f s on a store with %d ms a request, of which there were %d%n",
                    shards,
                    local.seconds(),
                    store.seconds(),
                    latency.toMillis(),
                    store.requests());
        } finally {
            FileUtil.fullyDelete(folder.toFile());
        }
        System.exit(0); // S3A's threads are not daemons
    }

    private record Start(double seconds, long requests) {}

    private static Start start(Path folder, String name, String shards, FaultyProxy proxy) throws Exception {
        Path run = folder.resolve("run-" + name);
        Path metrics = run.resolve("metrics.jsonl");
        Path log = folder.resolve(name + ".log");
        long before = proxy.all();
        long began = System.nanoTime();
        Process driver = submit(folder, log, settings(proxy), train(run, shards));
        while (!Files.exists(metrics) || Files.size(metrics) == 0) {
            if (!driver.isAlive() || System.nanoTime() - began > PATIENCE_NANOS) {
                throw new IllegalStateException(Files.readString(log));
            }
            Thread.sleep(10);
        }
        Start start = new Start((System.nanoTime() - began) / 1e9, proxy.all() - before);
        if (driver.waitFor() != 0) {
            throw new IllegalStateException(Files.readString(log));
        }
        Files.readAllLines(log).stream()
                .filter(line -> line.startsWith("first step"))
                .forEach(line -> System.out.println(name + ": " + line));
        return start;
    }

    private static Process submit(Path folder, Path log, List<String> settings, String... command) throws Exception {
        Path here = Path.of("submit.sh");
        List<String> submit = new ArrayList<>();
        submit.add((Files.exists(here) ? here : Path.of("..").resolve(here))
                .toAbsolutePath()
                .toString());
        settings.forEach(setting -> submit.addAll(List.of("--conf", setting)));
        submit.addAll(List.of(command));
        ProcessBuilder builder =
                new ProcessBuilder(submit).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().remove("SPARK_HOME");
        builder.environment().put("SPARK_JARS", folder.resolve("jars").toString());
        return builder.start();
    }

    private static void writeShards(Path folder, int shards) {
        Tokenizer tokenizer = CharTokenizer.of("abcdefghijklmnopqrstuvwxyz ".codePoints());
        LocalShardFolder target = new LocalShardFolder(folder);
        Map<String, List<ShardInfo>> splits = new LinkedHashMap<>();
        for (String split : List.of(CorpusSplit.TRAIN, CorpusSplit.VAL)) {
            int count = split.equals(CorpusSplit.TRAIN) ? shards - 1 : 1;
            int[] ids = IntStream.range(0, SHARD_TOKENS)
                    .map(i -> Integer.hashCode(i * 0x9E3779B9) >>> 16)
                    .map(i -> i % tokenizer.vocabSize())
                    .toArray();
            try (ShardSeries series = new ShardSeries(target, tokenizer, split + "-00000-bench", SHARD_TOKENS)) {
                for (int i = 0; i < count; i++) {
                    series.add(ids, 0, ids.length);
                    series.closeDocument();
                }
                splits.put(split, series.finish());
            }
        }
        ShardSet.commit(target, "bench", tokenizer, splits);
    }

    private static void copy(Path shards, FileSystem store) throws Exception {
        store.copyFromLocalFile(
                new org.apache.hadoop.fs.Path(shards.toString()), new org.apache.hadoop.fs.Path("s3a://runs/shards"));
    }

    private static List<String> settings(FaultyProxy proxy) {
        List<String> settings = new ArrayList<>();
        S3Server.settings(proxy.endpoint()).forEach((key, value) -> settings.add("spark.hadoop." + key + "=" + value));
        return settings;
    }

    private static String[] train(Path run, String shards) {
        return CommandRuns.trainArguments(
                run,
                shards,
                "--set",
                "model.block_size=64",
                "--set",
                "train.max_steps=" + STEPS,
                "--set",
                "train.eval_interval=" + STEPS,
                "-v");
    }
}
