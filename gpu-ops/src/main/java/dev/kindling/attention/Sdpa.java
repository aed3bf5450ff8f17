package dev.kindling.attention;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.tensor.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Scaled dot product attention's dispatcher: takes the fastest backend that can run, in the order FLASH, EFFICIENT, MATH,
 * out of those allowed to it and by the scope that {@link #only} opens:
 *
 * <pre>{@code try (var scope = Sdpa.only(FLASH)) { ... }}</pre>
 *
 * <p>Nothing is ever replaced silently: if none of the allowed backends can run, the error lists every reason.
 */
public final class Sdpa {
    private static final Logger LOG = LoggerFactory.getLogger(Sdpa.class);
    private static final ThreadLocal<Set<Kind>> SCOPE = ThreadLocal.withInitial(() -> EnumSet.allOf(Kind.class));

    private final List<AttentionBackend> fastestFirst;
    private final Set<Kind> allowed;
    private final Map<AttentionShape, Kind> choices = Collections.synchronizedMap(new LinkedHashMap<>());

    /**
     * Chooses among the device's three backends.
     *
     * @param scratch arena for the MATH backend's scratch
     * @param allowed backends that may run
     */
    public Sdpa(Device device, Arena scratch, Set<Kind> allowed) {
        this(
                List.of(
                        new FlashAttention(device.ops()),
                        new EfficientAttention(device.ops()),
                        new MathAttention(device.ops(), scratch)),
                allowed);
    }

    Sdpa(List<AttentionBackend> fastestFirst, Set<Kind> allowed) {
        this.fastestFirst = List.copyOf(fastestFirst);
        this.allowed = EnumSet.copyOf(allowed);
    }

    /** Restricts this thread to some backends until the scope is closed; scopes nest, and the innermost counts. */
    public static Scope only(Kind first, Kind... more) {
        Set<Kind> outer = SCOPE.get();
        SCOPE.set(EnumSet.of(first, more));
        return () -> SCOPE.set(outer);
    }

    /** Ends the restriction of {@link #only}. */
    public interface Scope extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * The fastest usable backend.
     *
     * @throws UnsupportedOperationException if none may run; it lists each one's reason
     */
    public AttentionBackend choose(AttentionShape shape) {
        List<String> reasons = new ArrayList<>();
        for (AttentionBackend backend : fastestFirst) {
            Optional<String> reason = refusal(backend, shape);
            if (reason.isEmpty()) {
                remember(shape, backend.kind(), reasons);
                return backend;
            }
            reasons.add(backend.kind() + ": " + reason.get());
        }
        throw new UnsupportedOperationException(String.format(
                Locale.ROOT,
                "no attention backend can run %s (%s); allow another backend (--attention auto) or change the model",
                shape,
                String.join("; ", reasons)));
    }

    /** Why {@code kind} cannot run such inputs, or empty if it can. Ignores the scope and the allowed backends. */
    public Optional<String> whyNot(Kind kind, AttentionShape shape) {
        return fastestFirst.stream()
                .filter(backend -> backend.kind() == kind)
                .findFirst()
                .orElseThrow()
                .whyNot(shape);
    }

    /** The distinct backends chosen so far, in order: what really ran, e.g. {@code "flash"}. */
    public String chosen() {
        synchronized (choices) {
            return choices.values().stream()
                    .distinct()
                    .map(kind -> kind.name().toLowerCase(Locale.ROOT))
                    .collect(Collectors.joining(","));
        }
    }

    private Optional<String> refusal(AttentionBackend backend, AttentionShape shape) {
        if (!allowed.contains(backend.kind())) {
            return Optional.of("not among the backends asked for, " + allowed);
        }
        if (!SCOPE.get().contains(backend.kind())) {
            return Optional.of("outside the scope Sdpa.only(" + SCOPE.get() + ")");
        }
        return backend.whyNot(shape);
    }

    private void remember(AttentionShape shape, Kind kind, List<String> reasons) {
        if (choices.put(shape, kind) == null) {
            LOG.info("attention {} runs {}{}", shape, kind, reasons.isEmpty() ? "" : "; not " + reasons);
        }
    }
}
