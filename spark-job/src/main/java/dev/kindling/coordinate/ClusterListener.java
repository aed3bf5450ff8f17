package dev.kindling.coordinate;

import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.TaskInfo;
import scala.jdk.javaapi.CollectionConverters;

/** Tells the open {@link GenerationState} what Spark knows: where the tasks of its ranks are, and which executors are gone. */
final class ClusterListener extends SparkListener {
    /** The local property by which a Spark job says that it is a generation. */
    static final String GENERATION = "spark.kindling.generation";

    private final Supplier<GenerationState> open;
    private final Set<Integer> stages = new HashSet<>();

    ClusterListener(Supplier<GenerationState> open) {
        this.open = open;
    }

    @Override
    public void onJobStart(SparkListenerJobStart job) {
        GenerationState board = open.get();
        Properties properties = job.properties();
        if (board != null
                && properties != null
                && String.valueOf(board.generation().number()).equals(properties.getProperty(GENERATION))) {
            stages.clear();
            CollectionConverters.asJava(job.stageInfos()).forEach(stage -> stages.add(stage.stageId()));
        }
    }

    @Override
    public void onTaskStart(SparkListenerTaskStart task) {
        GenerationState board = open.get();
        if (board != null && stages.contains(task.stageId())) {
            TaskInfo info = task.taskInfo();
            board.launched(info.index(), info.executorId(), info.host());
        }
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd task) {
        GenerationState board = open.get();
        if (board != null && stages.contains(task.stageId())) {
            board.ended(task.taskInfo().index());
        }
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        GenerationState board = open.get();
        if (board != null) {
            board.executorLost(removed.executorId(), removed.reason());
        }
    }
}
