/**
 * Kindling as stages of Spark ML. The cluster's Spark brings spark-mllib; nothing outside of this package needs it.
 *
 * <p>In: a table with a column of text, in any Spark application, one that Kindling has not started as well. Out: a {@link
 * dev.kindling.ml.GptModel}, trained by the same generations as the command {@code train} ({@link
 * dev.kindling.ml.GptTrainer}), which adds losses and completions to tables, and their mean ({@link
 * dev.kindling.ml.LossEvaluator}) for {@code CrossValidator}. Names of params, getters and setters, constructors and static
 * {@code read} and {@code load} are what Spark ML, PySpark's {@code JavaEstimator} and Spark Connect look for.
 *
 * <p>Called on the driver; rows are transformed by tasks. Starts no threads.
 */
package dev.kindling.ml;
