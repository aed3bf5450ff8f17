package dev.kindling.evaluate;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.device.Replay;
import dev.kindling.inference.ExecutorModels;
import dev.kindling.inference.InferenceModel;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.GptConfig;
import dev.kindling.train.ExecutorDevice;
import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.hadoop.fs.Path;
import org.apache.spark.deploy.SparkHadoopUtil;

/**
 * A checkpoint's model on this executor's device, ready for batches of one shape. Tasks submit batches from their own
 * threads; one thread runs them, in order, so that a task reads text while the device computes.
 */
final class LoadedModel implements ExecutorModels.Loaded {
    private static final long CLOSING_SECONDS = 60;

    private final InferenceModel model;
    private final WindowBatch.Extents extents;
    private final Gpt gpt;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(work -> {
        Thread named = new Thread(work, "kindling-scoring");
        named.setDaemon(true);
        return named;
    });
    private volatile boolean failed;
    private boolean warm;
    private Replay replay;

    /** The losses of a batch's rows, and how long the device took. */
    @SuppressWarnings("ArrayRecordComponent") // a buffer, compared with nothing
    record Losses(float[] rows, long nanos) {}

    private LoadedModel(Scoring scoring, InferenceModel model) {
        this.model = model;
        extents = extents(scoring);
        gpt = new Gpt(
                model.parameters(),
                new BatchShape(extents.batch(), extents.block(), extents.sequences()),
                Gpt.Mode.INFERENCE,
                model.sdpa(),
                new Gpt.DeviceMemory(model.device(), model.arena()));
    }

    /** Loads the model for the task that this thread runs, on the task's device. */
    static LoadedModel load(Scoring scoring) throws IOException {
        return InferenceModel.load(
                        new Path(scoring.checkpoint()),
                        scoring.attention().name(),
                        () -> ExecutorDevice.open(scoring.device(), scoring.precision()),
                        SparkHadoopUtil.get().conf())
                .make(model -> new LoadedModel(scoring, model));
    }

    /** Packed where FLASH may and can run, which alone takes packed sequences in linear memory; else a window a row. */
    private WindowBatch.Extents extents(Scoring scoring) {
        GptConfig config = model.config();
        int batch = scoring.batch();
        int block = config.blockSize();
        // A GPU's grid has blocks for every sequence that there might be: few enough that idle ones cost nothing.
        int sequences = model.device().kind() == Device.Kind.CPU
                ? Math.multiplyExact(batch, block)
                : Math.max(4 * batch, batch * block / 32);
        AttentionShape packed = new AttentionShape(
                sequences,
                config.heads(),
                block,
                block,
                config.headDim(),
                config.headDim(),
                model.device().activationType(),
                true,
                AttentionShape.MaskKind.NONE,
                0,
                true);
        boolean flash = Sdpa.allowedBy(scoring.attention().name()).contains(Kind.FLASH)
                && model.sdpa().whyNot(Kind.FLASH, packed).isEmpty();
        return new WindowBatch.Extents(batch, block, flash ? sequences + batch : 0);
    }

    Tokenizer tokenizer() {
        return model.tokenizer();
    }

    WindowBatch.Extents extents() {
        return extents;
    }

    /** What it runs on, for people. */
    String description() {
        return model.device().description();
    }

    /** The attention backend that runs. */
    String attention() {
        return model.sdpa().chosen() + (extents.packed() ? ", packed" : "");
    }

    /** Computes the losses of a batch, after those submitted before. */
    Future<Losses> submit(WindowBatch batch) {
        return thread.submit(() -> run(batch));
    }

    @Override
    public boolean failed() {
        return failed;
    }

    private Losses run(WindowBatch batch) {
        try {
            return compute(batch);
        } catch (RuntimeException | Error e) {
            failed = true;
            throw e;
        }
    }

    private Losses compute(WindowBatch batch) {
        long began = System.nanoTime();
        if (extents.packed()) {
            gpt.loadPacked(batch.inputs(), batch.targets(), batch.positions(), batch.cumulativeLengths());
        } else {
            gpt.load(batch.inputs(), batch.targets());
        }
        if (warm && replay == null) {
            replay = model.device().capture(this::forward);
        }
        if (warm) {
            replay.run();
        } else {
            forward();
            warm = true;
        }
        float[] losses = new float[extents.rows()];
        model.device().download(gpt.losses(), losses);
        return new Losses(losses, System.nanoTime() - began);
    }

    private void forward() {
        gpt.forward();
        gpt.evaluate();
    }

    /** Waits for what runs, then frees the device. */
    @Override
    public void close() {
        Future<?> freed = thread.submit(this::free);
        thread.shutdown();
        try {
            freed.get(CLOSING_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new IllegalStateException(
                    "the device %s did not finish its work in %d s; restart the executor"
                            .formatted(model.device().description(), CLOSING_SECONDS),
                    e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(
                    "the device %s could not be freed: %s"
                            .formatted(
                                    model.device().description(), e.getCause().getMessage()),
                    e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void free() {
        if (replay != null) {
            replay.close();
        }
        model.close();
    }
}
