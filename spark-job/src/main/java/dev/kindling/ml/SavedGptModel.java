package dev.kindling.ml;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.interop.CheckpointFormat;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsReader$;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWriter;
import scala.Option;

/**
 * A model on disk: Spark ML's {@code metadata/}, and {@code checkpoint/} with state and weights, from which {@code
 * generate}, {@code evaluate}, {@code export} and {@code LanguageModel} go on as well.
 */
final class SavedGptModel {
    private static final String CHECKPOINT = "checkpoint";

    private SavedGptModel() {}

    static final class Writer extends MLWriter {
        private final GptModel model;

        Writer(GptModel model) {
            this.model = model;
        }

        @Override
        public void saveImpl(String path) {
            Configuration hadoop = sparkSession().sparkContext().hadoopConfiguration();
            Path from = new Path(model.checkpoint());
            Path to = new Path(path, CHECKPOINT);
            try {
                CheckpointStore.around(from, hadoop).verifyModel(from);
                DefaultParamsWriter.saveMetadata(model, path, sparkSession());
                copy(CheckpointFormat.MODEL, from, to, hadoop);
                copy(CheckpointFormat.STATE, from, to, hadoop); // last, as without it there is no checkpoint
            } catch (IOException e) {
                throw new UncheckedIOException("cannot save the model to " + path + ": " + e.getMessage(), e);
            }
        }

        private static void copy(String file, Path from, Path to, Configuration hadoop) throws IOException {
            Storage source = Storage.of(from, hadoop);
            try (InputStream in = source.files().open(new Path(from, file))) {
                Storage.of(to, hadoop).write(new Path(to, file), in::transferTo);
            }
        }
    }

    static final class Reader extends MLReader<GptModel> {
        @Override
        public GptModel load(String path) {
            DefaultParamsReader.Metadata metadata =
                    DefaultParamsReader$.MODULE$.loadMetadata(path, sparkSession(), GptModel.class.getName());
            Configuration hadoop = sparkSession().sparkContext().hadoopConfiguration();
            Path directory = new Path(path, CHECKPOINT);
            try {
                Path checkpoint = Storage.of(directory, hadoop).files().makeQualified(directory);
                CheckpointStore.around(checkpoint, hadoop).loadState(checkpoint);
                GptModel model = new GptModel(metadata.uid(), checkpoint.toString());
                metadata.getAndSetParams(model, Option.empty());
                return model;
            } catch (IOException e) {
                throw new UncheckedIOException("cannot load the model at " + path + ": " + e.getMessage(), e);
            }
        }
    }
}
