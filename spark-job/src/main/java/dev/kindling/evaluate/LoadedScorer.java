package dev.kindling.evaluate;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
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
import dev.kindling.nn.GptConfig;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
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
 * threads; one thread gives them to the device, in order, and waits for none, so that the device finds the next batch
 * there when it ends one, and a task reads text meanwhile.
 */
final class LoadedScorer implements ExecutorModels.Loaded {
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

    /** The losses of a batch's rows, and the time that passed since the batch before was there. */
    @SuppressWarnings("ArrayRecordComponent") // a buffer, compared with nothing
    record Losses(float[] rows, long nanos) {}

    /** A batch that the device has been given. */
    final class Computation {
        private final long began;
        private final Readback readback;

        private Computation(long began, Readback readback) {
            this.began = began;
            this.readback = readback;
        }

        /** Waits for the losses; once. */
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
                new Gpt.DeviceMemory(model.device(), model.arena()));
    }

    /** Loads the model for the task that this thread runs, on the task's device. */
    static LoadedScorer load(ScoringSettings scoring) throws IOException {
        return InferenceModel.load(
                        new Path(scoring.checkpoint()),
                        scoring.attention().name(),
                        () -> ExecutorDevice.open(scoring.device(), scoring.precision()),
                        Storage.settings())
                .make(model -> new LoadedScorer(scoring, model));
    }

    /** Packed where FLASH may and can run, which alone takes packed sequences in linear memory; else a window a row. */
    private WindowBatch.Extents extents(ScoringSettings scoring) {
        GptConfig config = model.config();
        int batch = scoring.batch();
        int block = config.blockSize();
        int expected = model.device().kind() == Device.Kind.CPU
                ? Math.multiplyExact(batch, block)
                : sequencesOnGpu(scoring, block);
        int sequences = Math.max(WindowBatch.leastSequences(batch), expected);
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
        return new WindowBatch.Extents(batch, block, flash ? sequences : 0);
    }

    /**
     * A GPU's grid has blocks for every sequence that there might be, and idle ones take time too. So there is room for a
     * quarter more than windows as long as expected need.
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

    /** What it runs on, for people. */
    String description() {
        return model.device().description();
    }

    /** The attention backend that runs. */
    String attention() {
        return model.sdpa().chosen() + (extents.packed() ? ", packed" : "");
    }

    /** Gives a batch to the device, after those submitted before. */
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
        return new Computation(began, readback);
    }

    private void load(WindowBatch batch) {
        if (extents.packed()) {
            gpt.loadPacked(batch.inputs(), batch.targets(), batch.positions(), batch.cumulativeLengths());
        } else {
            gpt.load(batch.inputs(), batch.targets());
        }
    }

    /** A GPU computes once before, so that its kernels are there. */
    private void capture() {
        if (model.device().kind() == Device.Kind.CUDA) {
            forward();
            model.device().synchronize();
        }
        replay = model.device().capture(this::forward);
    }

    /**
     * Nanoseconds since the batch before ended, so that they add up to all the time from the first batch to the last,
     * waits for text included; since the batch began where it is the first that the device computes of a stage.
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
        readbacks.forEach(Readback::close);
        if (replay != null) {
            replay.close();
        }
        model.close();
    }
}
