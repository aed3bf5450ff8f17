package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainConfig;
import dev.kindling.storage.RemoteDisk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Attempts of one submission, which follow each other in one run directory. */
class SubmissionTest {
    private static final Configuration HADOOP = new Configuration(false);
    private static final TrainConfig CONFIG = TrainConfig.defaults();

    static {
        HADOOP.set("fs.remote.impl", RemoteDisk.class.getName());
    }

    @TempDir
    private Path folder;

    private final Map<String, String> former = new HashMap<>();

    @AfterEach
    void restoreProperties() {
        former.forEach((key, value) -> {
            if (value == null) {
                System.clearProperty(key);
            } else {
                System.setProperty(key, value);
            }
        });
    }

    private void set(String key, String value) {
        if (!former.containsKey(key)) {
            former.put(key, System.getProperty(key));
        }
        System.setProperty(key, value);
    }

    private void beDriverOf(String application) {
        set("spark.submit.deployMode", "cluster");
        set("spark.yarn.app.id", application);
    }

    private RunDirectory run(String scheme) throws IOException {
        return RunDirectory.at(scheme + folder.resolve("run"), HADOOP);
    }

    private Path file(String name) {
        return folder.resolve("run").resolve(name);
    }

    @Test
    void aDriverBelongsToASubmissionWhereItMayBeStartedAgain() {
        assertThat(Submission.ofThisProcess()).isEmpty();
        set("spark.app.submitTime", "1795994051847");
        set("spark.submit.deployMode", "client");
        assertThat(Submission.ofThisProcess()).isEmpty();
        set("spark.submit.deployMode", "cluster");
        assertThat(Submission.ofThisProcess()).hasValue("submitted at 1795994051847");
        set("spark.yarn.app.id", "application_1_0001");
        assertThat(Submission.ofThisProcess()).hasValue("application_1_0001");
        set(Submission.NAMED, "nightly");
        assertThat(Submission.ofThisProcess()).hasValue("nightly");
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void anAttemptGoesOnWithTheRunThatTheOneBeforeHasEnded(String scheme) throws IOException {
        beDriverOf("application_1_0001");
        assertThat(run(scheme).resumes(Resume.NO)).isFalse();
        try (OwnedRun owned = run(scheme).own(CONFIG, false)) {
            owned.keep();
        }
        assertThat(file(".owner")).doesNotExist();
        assertThat(run(scheme).resumes(Resume.NO)).isTrue();
        beDriverOf("application_1_0002");
        assertThat(run(scheme).resumes(Resume.NO)).isFalse();
        assertThatThrownBy(() -> run(scheme).own(CONFIG, false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("exists already");
    }

    @Test
    void anAttemptTakesOverTheMarkerOfTheOneBeforeThatWasKilled() throws IOException {
        beDriverOf("application_1_0001");
        try (OwnedRun killed = run("remote:").own(CONFIG, false)) {
            killed.keep();
            String marker = Files.readString(file(".owner"));
            beDriverOf("application_1_0002");
            assertThatThrownBy(() -> run("remote:").own(CONFIG, true))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("another training is writing to");
            assertThat(file(".owner")).content().isEqualTo(marker);

            beDriverOf("application_1_0001");
            assertThat(run("remote:").resumes(Resume.NO)).isTrue();
            try (OwnedRun next = run("remote:").own(CONFIG, true)) {
                next.keep();
                assertThat(file(".owner")).content().isNotEqualTo(marker).contains("application_1_0001");
            }
        }
        assertThat(file("config.yaml")).exists();
    }

    /** Killed after it had made the directory and before there was a run in it. */
    @Test
    void whatTheAttemptBeforeHasHardlyBegunIsSweptUp() throws IOException {
        beDriverOf("application_1_0001");
        String marker = OwnerMarker.ofThisProcess().toJson();
        Files.createDirectory(folder.resolve("run"));
        Files.writeString(file(".owner"), marker);
        beDriverOf("application_1_0002");
        assertThat(run("remote:").resumes(Resume.AUTO)).isFalse();
        assertThat(file(".owner")).content().isEqualTo(marker);
        beDriverOf("application_1_0001");
        assertThat(run("remote:").resumes(Resume.NO)).isFalse();
        assertThat(folder).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:", "remote:"})
    void autoGoesOnWithARunOrBeginsOne(String scheme) throws IOException {
        assertThat(run(scheme).resumes(Resume.AUTO)).isFalse();
        try (OwnedRun owned = run(scheme).own(CONFIG, false)) {
            owned.keep();
        }
        assertThat(file(".owner.last")).doesNotExist();
        assertThat(run(scheme).resumes(Resume.AUTO)).isTrue();
        assertThat(run(scheme).resumes(Resume.NO)).isFalse();
    }
}
