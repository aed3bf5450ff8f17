package dev.kindling.job.options;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;

/** What a checkpoint's model runs on. */
public record DeviceSettings(DeviceChoice device, AttentionChoice attention, PrecisionChoice precision) {}
