package dev.kindling.evaluate;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.device.Readback;
import dev.kindling.device.Replay;
import dev.kindling.inference.ExecutorModels;
import dev.kindling.inference.InferenceModel;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.Tensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;

/**
 * A checkpoint's model on this executor's device, ready for batches of one shape. Tasks submit batches from their own
 * threads. One thread gives them to the device, in order and without waiting for results, so that the device always
 * finds the next batch ready while tasks read text.
 */
final class LoadedScorer implements ExecutorModels.DeviceModel {
    private static final long CLOSING_SECONDS = 60;

    private final InferenceModel model;
    private final WindowBatch.Extents extents;
    private final Gpt gpt;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(work -> {
        Thread named = new Thread(work, "kindling-scoring");
        named.setDaemon(true);
        return named;
    });
    private final List<Readback> readbacks = new ArrayList<>();
    private final Queue<Readback> free = new ConcurrentLinkedQueue<>();
    private volatile boolean failed;
    private Replay replay;
    private int stage = -1;
    private long lastEnd;

    /** The losses of a batch's rows, and the time since the previous batch was done. */
    @SuppressWarnings("ArrayRecordComponent") // a buffer, compared with nothing
    record Losses(float[] rows, long nanos) {}

    /** A batch in flight on the device. */
    final class Computation {
        private final long began;
        private final Readback readback;

        private Computation(long began, Readback readback) {
            this.began = began;
            this.readback = readback;
        }

        /** Waits for the losses. Call it once. */
        Losses await() {
            float[] rows = new float[extents.rows()];
            try {
                readback.await(rows);
            } catch (RuntimeException | Error e) {
                failed = true;
                throw e;
            }
            free.add(readback);
            return new Losses(rows, nanosSinceLast(began));
        }
    }

    private LoadedScorer(ScoringSettings scoring, InferenceModel model) {
        this.model = model;
        extents = extents(scoring);
        gpt = new Gpt(
                model.parameters(),
                new BatchShape(extents.batch(), extents.block(), extents.sequences()),
                Gpt.Mode.INFERENCE,
                model.sdpa(),
                new Gpt.DeviceArena(model.device(), model.arena()));
    }

    /** Loads the model for the task that this thread runs, on the task's device. */
    static LoadedScorer load(ScoringSettings scoring) throws IOException {
        return InferenceModel.load(
                        new Path(scoring.checkpoint()),
                        scoring.attention(),
                        () -> ExecutorDevice.open(scoring.device(), scoring.precision()),
                        Storage.settings())
                .make(model -> new LoadedScorer(scoring, model));
    }

    /**
     * The shape of a batch: packed if FLASH is allowed and can run, since it alone takes packed sequences in linear
     * memory; otherwise one window per row.
     */
    private WindowBatch.Extents extents(ScoringSettings scoring) {
        GptConfig config = model.config();
        int batch = scoring.batch();
        int block = config.blockSize();
        int expected = model.device().kind() == Device.Kind.CPU
                ? Math.multiplyExact(batch, block)
                : sequencesOnGpu(scoring, block);
        int sequences = Math.max(WindowBatch.leastSequences(batch), expected);
        AttentionShape packed = AttentionShape.self(
                sequences,
                config.heads(),
                block,
                config.headDim(),
                model.device().activationType(),
                true,
                0,
                true);
        boolean flash = scoring.attention().kinds().contains(Kind.FLASH)
                && model.sdpa().whyNot(Kind.FLASH, packed).isEmpty();
        return new WindowBatch.Extents(batch, block, flash ? sequences : 0);
    }

    /**
     * The room for sequences in a packed batch. A GPU's grid has blocks for every possible sequence, and idle ones take
     * time. So there is room for a quarter more sequences than windows of the expected length need.
     */
    private static int sequencesOnGpu(ScoringSettings scoring, int block) {
        int rows = Math.multiplyExact(scoring.batch(), block);
        int most = Math.max(4 * scoring.batch(), rows / 32);
        return scoring.windowTokens() == 0
                ? most
                : Math.min(most, (int) Math.ceil(1.25 * rows / scoring.windowTokens()));
    }

    Tokenizer tokenizer() {
        return model.tokenizer();
    }

    WindowBatch.Extents extents() {
        return extents;
    }

    /** The device's description. */
    String description() {
        return model.device().description();
    }

    /** The attention backend that runs. */
    String attention() {
        return model.sdpa().chosen() + (extents.packed() ? ", packed" : "");
    }

    /** Queues a batch for the device, after those submitted before. */
    Future<Computation> submit(WindowBatch batch) {
        return thread.submit(() -> run(batch));
    }

    @Override
    public boolean failed() {
        return failed;
    }

    private Computation run(WindowBatch batch) {
        try {
            return compute(batch);
        } catch (RuntimeException | Error e) {
            failed = true;
            throw e;
        }
    }

    private Computation compute(WindowBatch batch) {
        if (replay == null) {
            load(batch);
            capture();
        }
        long began = System.nanoTime();
        load(batch);
        replay.run();
        Readback readback = free.poll();
        if (readback == null) {
            readback = model.device().readback(gpt.losses());
            readbacks.add(readback);
        }
        readback.enqueue();
        batch.answerGreedy(this::likeliest);
        return new Computation(began, readback);
    }

    /** Waits for the device, so it is for batches that ask for few rows. */
    private int likeliest(int row) {
        Tensor logits = gpt.logits().slice(0, row, 1);
        float[] values = new float[(int) logits.count()];
        model.device().download(logits, values);
        int best = 0;
        for (int token = 1; token < model.config().vocabulary(); token++) {
            best = values[token] > values[best] ? token : best;
        }
        return best;
    }

    private void load(WindowBatch batch) {
        if (extents.packed()) {
            gpt.loadPacked(batch.inputs(), batch.targets(), batch.positions(), batch.cumulativeLengths());
        } else {
            gpt.load(batch.inputs(), batch.targets());
        }
    }

    /** Captures the forward pass for replay. A GPU first computes it once, which loads its kernels. */
    private void capture() {
        if (model.device().kind() == Device.Kind.CUDA) {
            forward();
            model.device().synchronize();
        }
        replay = model.device().capture(this::forward);
    }

    /**
     * Nanoseconds since the previous batch ended, so that they add up to the time from the first batch to the last,
     * waits for text included; for the first batch of a stage, since that batch began.
     */
    private synchronized long nanosSinceLast(long began) {
        long now = System.nanoTime();
        int current = TaskContext.get().stageId();
        long nanos = now - (current == stage ? lastEnd : began);
        stage = current;
        lastEnd = now;
        return nanos;
    }

    private void forward() {
        gpt.forward();
        gpt.evaluate();
    }

    /** Waits for the batch that is in flight, then frees the device. */
    @Override
    public void close() {
        Future<?> freed = thread.submit(this::free);
        thread.shutdown();
        try {
            freed.get(CLOSING_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new IllegalStateException(
                    String.format(
                            Locale.ROOT,
                            "the device %s did not finish its work in %d s; restart the executor",
                            model.device().description(),
                            CLOSING_SECONDS),
                    e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(
                    String.format(
                            Locale.ROOT,
                            "the device %s could not be freed: %s",
                            model.device().description(),
                            e.getCause().getMessage()),
                    e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void free() {
        readbacks.forEach(Readback::close);
        if (replay != null) {
            replay.close();
        }
        model.close();
    }
}
