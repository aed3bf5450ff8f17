package dev.kindling.doctor;

import java.util.Objects;

/**
 * What one check found.
 *
 * @param check what was looked at: "java", "gpu", "slots" ...
 * @param where "driver", "rank 0 on HOST", "rank 0 -> rank 1"
 * @param found what is there, with units
 * @param fix what to do about it; empty where the verdict is {@code OK}
 */
public record Finding(String check, String where, String found, Verdict verdict, String fix) {
    /** {@code FAIL}: training will not run; {@code WARN}: it will, slower or less safely. */
    public enum Verdict {
        OK,
        WARN,
        FAIL
    }

    public Finding {
        found = Objects.requireNonNullElse(found, "no reason was given"); // exceptions may have no message
    }

    static Finding ok(String check, String where, String found) {
        return new Finding(check, where, found, Verdict.OK, "");
    }

    static Finding warn(String check, String where, String found, String fix) {
        return new Finding(check, where, found, Verdict.WARN, fix);
    }

    public static Finding fail(String check, String where, String found, String fix) {
        return new Finding(check, where, found, Verdict.FAIL, fix);
    }
}
