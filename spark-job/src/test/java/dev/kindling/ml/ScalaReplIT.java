package dev.kindling.ml;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.job.CommandRuns;
import dev.kindling.submit.SparkProcesses;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The README's lines in Scala's REPL, which spark-shell is with a session in it (Spark's own is not in Maven's
 * repository), with the application jar and no setting of Kindling's.
 */
@Timeout(300)
class ScalaReplIT {
    private static final String LINES = """
            import dev.kindling.ml._
            val texts = spark.read.text("texts").withColumnRenamed("value", "text").filter("text <> ''")
            val trainer = new GptTrainer().setTextCol("text").setMaxIter(4).setRunDirectory("runs")
            Seq("nLayer" -> 1, "nHead" -> 2, "nEmbd" -> 32, "blockSize" -> 16, "warmupSteps" -> 1, "evalBatches" -> 1, "microBatch" -> 32).foreach(p => trainer.setParam(p._1, p._2))
            val model = trainer.fit(texts)
            model.write.overwrite.save("model")
            val scored = GptModel.load("model").transform(texts)
            scored.select("loss", "bits_per_byte").show(3)
            println(f"mean loss ${new LossEvaluator().evaluate(scored)}%.3f")
            """;

    @TempDir
    private Path folder;

    @Test
    void theLinesOfTheReadmeRun() throws IOException, InterruptedException {
        Files.createDirectory(folder.resolve("texts"));
        CommandRuns.writeCorpus(folder.resolve("texts/page.txt"));
        Files.writeString(folder.resolve("lines.scala"), LINES);
        EmbeddedCluster.linkJars(folder.resolve("spark/jars"), SparkProcesses.sparkJars());
        String jar = System.getProperty("kindling.jar");
        Path input = Files.writeString(folder.resolve("input"), """
                val spark = org.apache.spark.sql.SparkSession.builder().master("local-cluster[2,1,1024]").config("spark.jars", "%s").config("spark.executor.memory", "512m").config("spark.ui.enabled", "false").getOrCreate()
                :load lines.scala
                spark.stop()
                :quit
                """.formatted(jar));
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx768m");
        command.add("--add-modules=jdk.incubator.vector");
        command.addAll(List.of(System.getProperty("spark.driver.jvm").split(" ")));
        command.addAll(List.of(
                "-cp",
                folder.resolve("spark/jars") + File.separator + "*" + File.pathSeparator + jar,
                "scala.tools.nsc.MainGenericRunner",
                "-usejavacp",
                "-Xjline:off"));
        Path printed = folder.resolve("out");
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().put("SPARK_HOME", folder.resolve("spark").toString());
        builder.environment().put("LC_ALL", "C.UTF-8");
        Process repl = builder.redirectInput(input.toFile())
                .redirectErrorStream(true)
                .redirectOutput(printed.toFile())
                .start();
        try {
            assertThat(repl.waitFor(240, TimeUnit.SECONDS)).isTrue();
        } finally {
            repl.descendants().forEach(ProcessHandle::destroyForcibly);
            repl.destroyForcibly();
        }
        assertThat(printed).content().contains("bits_per_byte|").containsPattern("mean loss [0-9]\\.[0-9]{3}");
        assertThat(folder.resolve("model/checkpoint/model.safetensors")).exists();
    }
}
