package dev.kindling.bench;

import dev.kindling.ml.GptModel;
import dev.kindling.ml.GptTrainer;
import dev.kindling.session.SparkSessions;
import java.util.Arrays;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;

/**
 * Seconds of {@code GptTrainer.fit} and {@code GptModel.transform} in one application of one executor, with one
 * GPU under {@code -Dgpus=1}, for holding them against the commands {@code train} and {@code evaluate} and against {@link
 * ForwardBench}. Arguments: {@code fit TABLE CONFIG STEPS}, or {@code transform TABLE RUN ROUNDS}; {@code TABLE} is Parquet
 * with a column {@code text}. Spark's settings are system properties: {@code spark.kindling.embedded=true},
 * {@code spark.executor.extraClassPath}.
 */
public final class SparkMlBench {
    private SparkMlBench() {}

    /** Prints the seconds. */
    public static void main(String[] args) {
        boolean fit = args[0].equals("fit");
        int gpus = Integer.getInteger("gpus", 0);
        try (SparkSessions.Application application = fit
                ? SparkSessions.openForBarriers("bench", 1, gpus)
                : SparkSessions.openWithoutBarriers("bench", 1, gpus)) {
            Dataset<Row> table = application.session().read().parquet(args[1]);
            if (fit) {
                fit(table, args[2], Integer.parseInt(args[3]));
            } else {
                transform(table, args[2], Integer.parseInt(args[3]));
            }
        }
    }

    private static void fit(Dataset<Row> table, String config, int steps) {
        GptTrainer trainer = new GptTrainer()
                .setTextCol("text")
                .setConfig(config)
                .setMaxIter(steps)
                .setRunDirectory(System.getProperty("run.directory", "runs"));
        long began = System.nanoTime();
        GptModel model = trainer.fit(table);
        System.out.printf("fit, %d steps: %.2f s, %s%n", steps, seconds(began), model.checkpoint());
    }

    private static void transform(Dataset<Row> table, String run, int rounds) {
        GptModel model = new GptModel("bench", run).setTextCol("text").setLossCol("loss");
        double[] taken = new double[rounds];
        double sum = 0;
        for (int round = 0; round < rounds; round++) {
            long began = System.nanoTime();
            sum = model.transform(table).agg(functions.sum("loss")).first().getDouble(0);
            taken[round] = seconds(began);
        }
        System.out.printf("transform, sum of losses %.4f: %s s%n", sum, Arrays.toString(taken));
    }

    private static double seconds(long began) {
        return (System.nanoTime() - began) / 1e9;
    }
}
