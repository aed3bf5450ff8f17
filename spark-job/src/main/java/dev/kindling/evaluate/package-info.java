/**
 * The work of {@code evaluate}: the loss of every document, each scored exactly once, in an ordinary Spark job.
 *
 * <p>In: text files, a table or a split of a run's shards ({@link dev.kindling.evaluate.EvaluationData}), and a checkpoint.
 * Out: one row per document ({@link dev.kindling.evaluate.DocumentScores}) and their sums ({@link
 * dev.kindling.evaluate.EvaluationTotals}), the same to the last bit however the work was divided.
 *
 * <p>On its way a document is read in passages, cut into overlapping windows ({@link dev.kindling.data.batch.StridedWindows}), gathered into
 * batches ({@code WindowBatch}, {@code ScoringPipeline}) and scored by the model that the tasks of a device share
 * ({@code LoadedScorer}).
 *
 * <p>{@code --task} scores items instead ({@link dev.kindling.evaluate.ItemScores}), of a context and endings, through the
 * same windows, batches and model.
 *
 * <p>Called by {@code job.EvaluateJob} on the driver. Each Spark task reads and cuts text on its own thread; one thread
 * per model ({@code kindling-scoring}) gives batches to the device.
 */
package dev.kindling.evaluate;
