package dev.kindling.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;

/**
 * Which training owns a run directory: the text of {@code .owner}.
 *
 * @param id unique for each training
 * @param process the driver's process id on {@code host}
 * @param since when it began, in UTC
 * @param submission to which the driver belongs, see {@link Submission}; null for one that is started once
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record OwnerMarker(String id, String user, String host, long process, String since, String submission) {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    static OwnerMarker ofThisProcess() {
        return new OwnerMarker(
                UUID.randomUUID().toString(),
                System.getProperty("user.name"),
                StagingName.hostName(),
                ProcessHandle.current().pid(),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                Submission.ofThisProcess().orElse(null));
    }

    /** Whether {@code text} is a marker of this training. */
    boolean isIn(String text) {
        return text.equals(toJson());
    }

    /** The marker that {@code text} is; empty where a crash has torn it. */
    static Optional<OwnerMarker> parse(String text) {
        try {
            return Optional.of(JSON.readValue(text, OwnerMarker.class));
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    String toJson() {
        try {
            return JSON.writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record of text and numbers can always be written", e);
        }
    }

    /** The owner for people: "process 4711 of anna on node7 since 2026-11-29T19:45:07Z". */
    String describe() {
        return String.format(Locale.ROOT, "process %d of %s on %s since %s", process, user, host, since);
    }
}
