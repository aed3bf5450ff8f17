package dev.kindling.config;

import java.util.List;

/** What a test changes in a configuration. */
public final class Overrides {
    private Overrides() {}

    /** Those of {@code --set} alone. */
    public static ConfigOverrides set(String... entries) {
        return new ConfigOverrides(List.of(entries), ConfigOverrides.ShortForms.NONE);
    }
}
