/**
 * What {@code train --mlflow} tells an MLflow tracking server: parameters, metrics in batches, and at the end the model's
 * Hugging Face folder.
 *
 * <p>In: a {@link dev.kindling.tracking.TrackedRun} and the metrics of every step. {@link
 * dev.kindling.tracking.MlflowTracking} keeps them for its one daemon thread ({@code kindling-mlflow}), which sends them;
 * training never waits for the server, and what the server has not taken at the end is said. {@code MlflowSession} alone
 * knows MLflow's client, which the jar does not carry.
 */
package dev.kindling.tracking;
