package dev.kindling.config;

import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Where run configurations come from: a local file, any Hadoop path, or the ones that the jar brings along. */
public final class ConfigSource {
    /** The configurations in the jar, by name; {@code --config conf/NAME.yaml} finds them without a checkout. */
    public static final List<String> BUILT_IN = List.of("shakespeare-char", "shakespeare-char-cpu");

    private static final Pattern BUILT_IN_PATH = Pattern.compile("(?:conf/)?([a-z-]+)(?:\\.yaml)?");

    private final Configuration hadoop;
    private final List<String> defaults;

    /** @param defaults of the form {@code section.key=value}, for keys that a configuration leaves out */
    public ConfigSource(Configuration hadoop, List<String> defaults) {
        this.hadoop = hadoop;
        this.defaults = List.copyOf(defaults);
    }

    /**
     * The configuration at {@code location}: a local file, else a Hadoop path, else the built-in one of that name.
     *
     * @throws ConfigException when there is none or it is not valid
     */
    public TrainConfig load(String location, List<String> overrides) throws IOException {
        Optional<String> local = readLocal(location);
        if (local.isPresent()) {
            return TrainConfig.parse(local.get(), location, defaults, overrides);
        }
        Matcher builtIn = BUILT_IN_PATH.matcher(location);
        if (builtIn.matches() && BUILT_IN.contains(builtIn.group(1))) {
            return builtIn(builtIn.group(1), overrides);
        }
        try {
            Path path = new Path(location);
            return TrainConfig.parse(Storage.of(path, hadoop).read(path), location, defaults, overrides);
        } catch (FileNotFoundException | IllegalArgumentException e) {
            throw new ConfigException(
                    "there is no configuration at " + location + "; give a YAML file or one of "
                            + String.join(", ", BUILT_IN),
                    e);
        }
    }

    /** The configuration {@code name} of {@link #BUILT_IN}. */
    public TrainConfig builtIn(String name, List<String> overrides) {
        String resource = "/dev/kindling/conf/" + name + ".yaml";
        try (InputStream in = ConfigSource.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("the jar lacks " + resource + "; build it again with mvn package");
            }
            return TrainConfig.parse(
                    new String(in.readAllBytes(), StandardCharsets.UTF_8),
                    "conf/" + name + ".yaml",
                    defaults,
                    overrides);
        } catch (IOException e) {
            throw new UncheckedIOException("could not read " + resource + " from the jar", e);
        }
    }

    private static Optional<String> readLocal(String location) throws IOException {
        java.nio.file.Path path;
        try {
            path = java.nio.file.Path.of(location);
        } catch (InvalidPathException e) {
            return Optional.empty(); // a URI, perhaps
        }
        return Files.isRegularFile(path) ? Optional.of(Files.readString(path)) : Optional.empty();
    }
}
