package dev.kindling.job;

import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainConfig;
import dev.kindling.input.Named;
import dev.kindling.job.options.EvaluateOptions;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.run.RunPath;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** The checkpoint to evaluate, with its configuration. */
record EvaluatedCheckpoint(Path directory, CheckpointState state, TrainConfig config) {
    static EvaluatedCheckpoint of(EvaluateOptions options, Configuration hadoop) throws IOException {
        NamedCheckpoint resolved =
                NamedCheckpoint.of(RunPath.absolute(options.checkpoint(), hadoop), options.which(), hadoop);
        resolved.choice().ifPresent(choice -> System.err.println("kindling: " + choice));
        Path directory = resolved.directory();
        CheckpointState state = CheckpointStore.around(directory, hadoop).loadState(directory);
        return new EvaluatedCheckpoint(
                directory, state, TrainConfig.fromTree(state.config(), directory + "/state.json"));
    }

    /** The shards that the checkpoint was trained on: the run's own, or those that data.corpus names. */
    String shards(Configuration hadoop) throws IOException {
        String own = directory.getParent().getParent() + "/data";
        if (ShardPreparation.isPrepared(new Path(own), hadoop)) {
            return own;
        }
        Named corpus = Named.corpus(config.data());
        if (ShardPreparation.isPrepared(corpus, hadoop)) {
            return corpus.resolve(hadoop).toString();
        }
        throw new ConfigException(
                "--split needs the shards of the checkpoint's run, and neither %s nor data.corpus %s holds any; give the text by --data",
                own, config.data().corpus());
    }
}
