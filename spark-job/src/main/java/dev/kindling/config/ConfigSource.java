package dev.kindling.config;

import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Where run configurations come from: a local file, any Hadoop path, or the ones that the jar brings along. */
public final class ConfigSource {
    /** The configurations in the jar, by name; {@code --config conf/NAME.yaml} finds them without a checkout. */
    public static final List<String> BUILT_IN = List.of(
            "shakespeare-char",
            "shakespeare-char-cpu",
            "finetune-shakespeare",
            "gpt2-124m",
            "gpt2-350m",
            "gpt2-774m",
            "gpt2-1558m");

    private static final Pattern BUILT_IN_PATH = Pattern.compile("(?:conf/)?([a-z0-9-]+)(?:\\.yaml)?");

    private final Configuration hadoop;
    private final TrainConfig defaults;

    /** @param defaults for keys that a configuration leaves out */
    public ConfigSource(Configuration hadoop, TrainConfig defaults) {
        this.hadoop = hadoop;
        this.defaults = defaults;
    }

    /**
     * The configuration at {@code location}: a local file, else a Hadoop path, else the built-in one of that name.
     *
     * @throws ConfigException when there is none or it is not valid
     */
    public TrainConfig load(String location, ConfigOverrides overrides) throws IOException {
        Optional<java.nio.file.Path> local = localFile(location);
        if (local.isPresent()) {
            return parse(Files.readAllBytes(local.get()), location, overrides);
        }
        Matcher builtIn = BUILT_IN_PATH.matcher(location);
        if (builtIn.matches() && BUILT_IN.contains(builtIn.group(1))) {
            return builtIn(builtIn.group(1), overrides);
        }
        try {
            Path path = new Path(location);
            return parse(read(path), location, overrides);
        } catch (FileNotFoundException | IllegalArgumentException e) {
            throw new ConfigException(
                    "there is no configuration at " + location + "; give a YAML file or one of "
                            + String.join(", ", BUILT_IN),
                    e);
        }
    }

    /** The configuration {@code name} of {@link #BUILT_IN}. */
    public TrainConfig builtIn(String name, ConfigOverrides overrides) {
        String resource = "/dev/kindling/conf/" + name + ".yaml";
        try (InputStream in = ConfigSource.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("the jar lacks " + resource + "; build it again with mvn package");
            }
            return parse(in.readAllBytes(), "conf/" + name + ".yaml", overrides);
        } catch (IOException e) {
            throw new UncheckedIOException("could not read " + resource + " from the jar", e);
        }
    }

    private byte[] read(Path path) throws IOException {
        try (InputStream in = Storage.of(path, hadoop).files().open(path)) {
            return in.readAllBytes();
        }
    }

    private TrainConfig parse(byte[] yaml, String origin, ConfigOverrides overrides) {
        return TrainConfig.parse(decode(yaml, origin), origin, defaults, overrides);
    }

    private static String decode(byte[] utf8, String origin) {
        ByteBuffer bytes = ByteBuffer.wrap(utf8);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            long line = 1
                    + IntStream.range(0, bytes.position())
                            .filter(i -> utf8[i] == '\n')
                            .count();
            throw new ConfigException(
                    e,
                    "%s is not UTF-8 text: line %d has bytes of another encoding, perhaps Latin-1; save the file as UTF-8",
                    origin,
                    line);
        }
    }

    private static Optional<java.nio.file.Path> localFile(String location) {
        try {
            return Optional.of(java.nio.file.Path.of(location)).filter(Files::isRegularFile);
        } catch (InvalidPathException e) {
            return Optional.empty(); // a URI, perhaps
        }
    }
}
