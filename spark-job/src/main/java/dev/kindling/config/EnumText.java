package dev.kindling.config;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** How the constants of an enum are written in configurations, on the command line and in reports: in lower case. */
public final class EnumText {
    private EnumText() {}

    public static String of(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /** Of all constants of {@code type}, an enum, in their order. */
    public static List<String> of(Class<?> type) {
        return Arrays.stream(type.getEnumConstants())
                .map(constant -> of((Enum<?>) constant))
                .toList();
    }

    /** The constant that is written so; empty where none is. */
    public static <E> Optional<E> parse(String text, Class<E> type) {
        return Arrays.stream(type.getEnumConstants())
                .filter(constant -> of((Enum<?>) constant).equals(text))
                .findFirst();
    }

    /** What is wrong with a value that is none of the constants, with the nearest one. */
    public static String refusal(String name, String text, Class<?> type) {
        List<String> choices = of(type);
        return String.format(
                Locale.ROOT,
                "%s is '%s', but it must be one of %s; did you mean '%s'?",
                name,
                text,
                String.join(", ", choices),
                NearestName.of(text, choices).orElseThrow());
    }
}
