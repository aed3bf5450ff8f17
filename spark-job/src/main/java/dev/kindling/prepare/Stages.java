package dev.kindling.prepare;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/** Where the two stages of a preparation run, each over the same runs of parts. */
sealed interface Stages {
    /**
     * What is in the corpus.
     *
     * @param vocabulary whether characters are wanted
     */
    Survey survey(boolean vocabulary);

    /** What each run's {@link WrittenShards} are, in their order. */
    List<String> write(Writing writing) throws Exception;

    /** As Spark's tasks, one for each run of parts. */
    record Tasks(JavaSparkContext spark, JavaRDD<CorpusParts> runs) implements Stages {
        @Override
        public Survey survey(boolean vocabulary) {
            Survey.Counting counting = new Survey.Counting(runs.getNumPartitions(), vocabulary);
            return counting.survey(runs.map(run -> counting.count(TaskContext.getPartitionId(), run))
                    .treeReduce(counting::plus));
        }

        @Override
        public List<String> write(Writing writing) throws Exception {
            return LastAttempts.results(spark, runs.map(run -> writing.write(TaskContext.getPartitionId(), run)));
        }
    }

    /** In this process, one after the other. */
    record Here(List<CorpusParts> runs) implements Stages {
        @Override
        public Survey survey(boolean vocabulary) {
            Survey.Counting counting = new Survey.Counting(runs.size(), vocabulary);
            long[] sum = new long[runs.size()];
            for (int run = 0; run < runs.size(); run++) {
                sum = counting.plus(sum, counting.count(run, runs.get(run)));
            }
            return counting.survey(sum);
        }

        @Override
        public List<String> write(Writing writing) throws Exception {
            List<String> written = new ArrayList<>();
            for (int run = 0; run < runs.size(); run++) {
                written.add(writing.write(run, runs.get(run)));
            }
            return written;
        }
    }
}
