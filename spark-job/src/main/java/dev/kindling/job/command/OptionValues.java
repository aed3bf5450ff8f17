package dev.kindling.job.command;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.config.ConfigException;
import dev.kindling.config.EnumText;
import java.util.Optional;
import java.util.OptionalInt;

/** Reads option values: one of a few names, or a number that may be left out. */
final class OptionValues {
    /** The most tasks, steps, rounds or samples that a command takes. */
    static final int MOST = 1_000_000;

    /** The most sequences of a forward pass. */
    static final int MOST_SEQUENCES = 65_536;

    private OptionValues() {}

    /**
     * The constant of an enum that an option names.
     *
     * @throws ConfigException naming the choices, if {@code value} is none of them
     */
    static <E extends Enum<E>> E of(String option, String value, Class<E> type) {
        return EnumText.parse(value, type)
                .orElseThrow(() -> new ConfigException(EnumText.refusal(option, value, type)));
    }

    /** The same for an option that may be left out: {@code value} is then null. */
    static <E extends Enum<E>> Optional<E> given(String option, String value, Class<E> type) {
        return Optional.ofNullable(value).map(text -> of(option, text, type));
    }

    /**
     * A number that may be left out.
     *
     * @throws ConfigException if a number was given that is not in [1, most]
     */
    static OptionalInt upTo(int most, String option, Integer value) {
        if (value != null) {
            requireWithin(1, most, option, value);
        }
        return value == null ? OptionalInt.empty() : OptionalInt.of(value);
    }

    /** @throws ConfigException if {@code value} is not in [least, most] */
    static void requireWithin(int least, int most, String option, int value) {
        check(value >= least && value <= most, "%s is %d; set it to %d or more, up to %d", option, value, least, most);
    }
}
