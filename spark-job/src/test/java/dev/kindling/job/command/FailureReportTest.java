package dev.kindling.job.command;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.AccessDeniedException;
import org.junit.jupiter.api.Test;

class FailureReportTest {
    private final StringWriter printed = new StringWriter();

    @Test
    void aFaultOfTheStoreIsToldInItsLineAndIsNotFinal() {
        StoreException fault = new StoreException("could not read x in 60 s", new IOException("503 Slow Down"));
        IllegalStateException failure = new IllegalStateException("Job aborted", fault);
        assertThat(FailureReport.print(failure, false, new PrintWriter(printed)))
                .isEqualTo(ExitCode.FAILURE);
        assertThat(printed).hasToString("kindling: could not read x in 60 s" + System.lineSeparator());
        assertThat(FailureReport.worded(failure)).isEmpty();
    }

    @Test
    void aFileThatIsNotGivenIsToldWithTheReason() {
        FailureReport.print(new AccessDeniedException("/a/config.yaml"), false, new PrintWriter(printed));
        assertThat(printed).hasToString("kindling: /a/config.yaml: permission denied" + System.lineSeparator());
    }

    @Test
    void badContentIsFinal() {
        DataException bad = new DataException("x is no text");
        assertThat(FailureReport.worded(new IllegalStateException("Job aborted", bad)))
                .containsSame(bad);
    }
}
