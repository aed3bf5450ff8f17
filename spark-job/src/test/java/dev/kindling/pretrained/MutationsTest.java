package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.TensorContent;
import dev.kindling.model.GptConfigs;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Thousands of damaged folders: each is read correctly or refused in one line, in bounded memory. */
class MutationsTest {
    private static final int MUTATIONS = 20_000;
    private static final long MOST_BYTES = 8 << 20;
    private static final Pattern NUMBER = Pattern.compile("-?\\d+(\\.\\d+)?");
    private static final Pattern STRING = Pattern.compile("\"[^\"\\\\]*\"");
    private static final String[] NUMBERS = {
        "0",
        "-1",
        "1",
        "2",
        "15",
        "17",
        "1e3",
        "0.5",
        "2147483647",
        "2147483648",
        "9223372036854775807",
        "1e400",
        "99999999999999999999999",
        "null",
        "true",
        "[]",
        "{}",
        "\"x\""
    };

    private final Random random = new Random(20_261_129);

    @Test
    void everyMutationIsReadOrRefused() throws IOException {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        List<TinyFolder> originals = List.of(
                TinyFolder.of("", "F32", 1),
                TinyFolder.of("transformer.", "BF16", 2),
                TinyFolder.of("", "F16", 1),
                TinyFolder.of("", "BF16", 1).withMerges());
        for (TinyFolder original : originals) {
            read(original); // loads classes, so that what is counted below is what reading takes
        }
        List<String> failures = new ArrayList<>();
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            TinyFolder folder = originals.get(i % originals.size());
            List<String> names = List.copyOf(folder.files.keySet());
            String file = names.get(random.nextInt(names.size()));
            byte[] whole = folder.files.get(file);
            folder.files.put(file, mutate(whole, file));
            long before = threads.getCurrentThreadAllocatedBytes();
            try {
                read(folder);
            } catch (ModelFileException | DataException | ConfigException e) {
                refused++;
                if (e.getMessage() == null || e.getMessage().lines().count() != 1) {
                    failures.add("mutation %d of %s: %s".formatted(i, file, e.getMessage()));
                }
            } catch (IOException | RuntimeException | Error e) {
                failures.add("mutation %d of %s: %s".formatted(i, file, e));
            }
            long taken = threads.getCurrentThreadAllocatedBytes() - before;
            if (taken > MOST_BYTES) {
                failures.add("mutation %d of %s allocated %d bytes".formatted(i, file, taken));
            }
            folder.files.put(file, whole);
        }
        assertThat(failures).isEmpty();
        assertThat(refused).isBetween(MUTATIONS / 4, MUTATIONS);
    }

    private static void read(TinyFolder folder) throws IOException {
        PretrainedModel model = PretrainedModel.open(folder);
        for (TensorContent tensor : model.model()
                .weights(GptConfigs.of(model.section(), model.tokenizer().vocabSize()))
                .values()) {
            long[] elements = {0};
            tensor.elements().writeTo(next -> elements[0] += next.remaining());
            assertThat(elements[0]).isEqualTo(tensor.count());
        }
    }

    private byte[] mutate(byte[] file, String name) {
        int header = name.endsWith(".safetensors") ? headerEnd(file) : file.length;
        return switch (random.nextInt(7)) {
            case 0 -> flip(file, random.nextInt(file.length));
            case 1 -> flip(file, random.nextInt(Math.min(file.length, 16))); // a safetensors file's length of header
            case 2 -> Arrays.copyOf(file, random.nextInt(file.length));
            case 3 -> Arrays.copyOf(file, file.length + 1 + random.nextInt(40));
            case 4 -> replace(file, header, NUMBER, NUMBERS[random.nextInt(NUMBERS.length)]);
            case 5 -> replace(file, header, STRING, anyString(file, header));
            default -> cut(file, random.nextInt(header), random.nextInt(60));
        };
    }

    private static int headerEnd(byte[] file) {
        return 8 + (file[0] & 0xff) + ((file[1] & 0xff) << 8);
    }

    private byte[] flip(byte[] file, int at) {
        byte[] mutated = file.clone();
        mutated[at] ^= (byte) (1 << random.nextInt(8));
        return mutated;
    }

    private byte[] cut(byte[] file, int at, int length) {
        int end = Math.min(file.length, at + length);
        byte[] mutated = new byte[file.length - (end - at)];
        System.arraycopy(file, 0, mutated, 0, at);
        System.arraycopy(file, end, mutated, at, file.length - end);
        return mutated;
    }

    private String anyString(byte[] file, int header) {
        List<MatchResult> found = STRING.matcher(text(file, header)).results().toList();
        return random.nextInt(4) == 0 || found.isEmpty()
                ? "\"\\ud83d\""
                : found.get(random.nextInt(found.size())).group();
    }

    private static String text(byte[] file, int header) {
        return new String(file, 0, header, StandardCharsets.ISO_8859_1);
    }

    /** One match before {@code header} becomes another text; a safetensors file's length of header follows. */
    private byte[] replace(byte[] file, int header, Pattern pattern, String by) {
        String text = text(file, header);
        List<MatchResult> found = pattern.matcher(text).results().toList();
        if (found.isEmpty()) {
            return flip(file, 0);
        }
        MatchResult chosen = found.get(random.nextInt(found.size()));
        byte[] head = (text.substring(0, chosen.start()) + by + text.substring(chosen.end()))
                .getBytes(StandardCharsets.ISO_8859_1);
        byte[] mutated = Arrays.copyOf(head, head.length + file.length - header);
        System.arraycopy(file, header, mutated, head.length, file.length - header);
        if (header < file.length) {
            int length = head.length - 8;
            mutated[0] = (byte) length;
            mutated[1] = (byte) (length >>> 8);
        }
        return mutated;
    }
}
