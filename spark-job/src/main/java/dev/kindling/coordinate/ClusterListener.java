package dev.kindling.coordinate;

import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import java.util.function.Consumer;
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
    private final Consumer<String> lost;
    private final Set<Integer> stages = new HashSet<>();

    /** @param lost told of each executor that is gone */
    ClusterListener(Supplier<GenerationState> open, Consumer<String> lost) {
        this.open = open;
        this.lost = lost;
    }

    @Override
    public void onJobStart(SparkListenerJobStart job) {
        GenerationState state = open.get();
        Properties properties = job.properties();
        if (state != null
                && properties != null
                && String.valueOf(state.generation().number()).equals(properties.getProperty(GENERATION))) {
            stages.clear();
            CollectionConverters.asJava(job.stageInfos()).forEach(stage -> stages.add(stage.stageId()));
        }
    }

    @Override
    public void onTaskStart(SparkListenerTaskStart task) {
        GenerationState state = open.get();
        if (state != null && stages.contains(task.stageId())) {
            TaskInfo info = task.taskInfo();
            state.launched(info.index(), info.executorId(), info.host());
        }
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd task) {
        GenerationState state = open.get();
        if (state != null && stages.contains(task.stageId())) {
            state.ended(task.taskInfo().index());
        }
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        lost.accept(removed.executorId());
        GenerationState state = open.get();
        if (state != null) {
            state.executorLost(removed.executorId(), removed.reason());
        }
    }
}
