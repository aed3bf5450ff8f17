package dev.kindling.job.options;

import java.net.URI;

/**
 * Where a run is tracked.
 *
 * @param server an MLflow tracking server, http or https
 * @param experiment that the run belongs to
 */
public record TrackingOptions(URI server, String experiment) {}
