package dev.kindling.job;

import dev.kindling.train.ClusterSection.AttentionChoice;
import dev.kindling.train.ClusterSection.DeviceChoice;
import dev.kindling.train.TrainSection.PrecisionChoice;

/** What a checkpoint's model runs on. */
public record Hardware(DeviceChoice device, AttentionChoice attention, PrecisionChoice precision) {}
