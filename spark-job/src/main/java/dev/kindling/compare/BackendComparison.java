package dev.kindling.compare;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.attention.Sdpa;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.EnumText;
import dev.kindling.config.ModelSection;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.RankSession;
import dev.kindling.data.batch.Batch;
import dev.kindling.data.batch.BatchSampler;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.exchange.RankLinks;
import dev.kindling.exchange.RankShare;
import dev.kindling.report.RankMeasurement.Case;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DeviceMemoryException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * One rank's part of a comparison of attention backends. All ranks run the same cases in the same order and leave out a
 * backend that cannot run on one of them. All backends stay on the device and take turns, round after round.
 */
final class BackendComparison {
    /** Of steps whose energy is measured: GPUs count it about ten times a second. */
    private static final double ENERGY_MILLIS = 3000;

    private final ComparisonPlan plan;
    private final TokenSequence tokens;
    private final int vocabulary;
    private final RankLinks ranks;
    private final Device device;
    private final RankSession session;
    private long stepsDone;

    /** @param tokens to train on */
    BackendComparison(
            ComparisonPlan plan,
            TokenSequence tokens,
            int vocabulary,
            RankLinks ranks,
            Device device,
            RankSession session) {
        this.plan = plan;
        this.tokens = tokens;
        this.vocabulary = vocabulary;
        this.ranks = ranks;
        this.device = device;
        this.session = session;
    }

    /** Measures all backends on a configuration; ranks call it together. */
    List<Case> measure(TrainConfig config) {
        int length = config.model().blockSize();
        Map<AttentionBackend.Kind, BackendTrial> trials = new EnumMap<>(AttentionBackend.Kind.class);
        Map<AttentionBackend.Kind, String> refusals = new EnumMap<>(AttentionBackend.Kind.class);
        try {
            for (AttentionBackend.Kind kind : plan.backends()) {
                say("length %d, %s: building", length, EnumText.of(kind));
                String reason = build(config, kind, trials);
                String common = common(reason);
                if (!common.isEmpty()) {
                    refusals.put(kind, common);
                    BackendTrial built = trials.remove(kind);
                    if (built != null) {
                        built.close();
                    }
                }
            }
            Map<BackendTrial.TimedStep, Times> times = time(config, trials);
            List<Case> cases = new ArrayList<>();
            for (AttentionBackend.Kind kind : plan.backends()) {
                if (refusals.containsKey(kind)) {
                    compile()
                            .forEach(compiled ->
                                    cases.add(Case.refused(length, EnumText.of(kind), compiled, refusals.get(kind))));
                } else {
                    trials.get(kind).timedSteps().forEach(timed -> cases.add(measured(config, kind, timed, times)));
                }
            }
            return cases;
        } finally {
            trials.values().forEach(BackendTrial::close);
        }
    }

    /** On the CPU a captured step runs as an eager one does, so there is one way only. */
    private List<Boolean> compile() {
        return device.kind() == Device.Kind.CUDA ? plan.compile() : List.of(false);
    }

    private static Case measured(
            TrainConfig config,
            AttentionBackend.Kind kind,
            BackendTrial.TimedStep timed,
            Map<BackendTrial.TimedStep, Times> times) {
        BackendTrial trial = timed.trial();
        Times measured = times.get(timed);
        return new Case(
                config.model().blockSize(),
                EnumText.of(kind),
                timed.compiled(),
                "",
                trial.sdpa().chosen(),
                timed.transport(),
                trial.share().count() * config.train().microBatch(),
                measured.step,
                measured.forward,
                measured.lossSums,
                trial.bytes(),
                trial.attentionShare(),
                measured.joulesPerThousandTokens);
    }

    /** Returns why the backend cannot run here, or empty when its trial is built. */
    private String build(
            TrainConfig config, AttentionBackend.Kind kind, Map<AttentionBackend.Kind, BackendTrial> trials) {
        session.enter("building the " + EnumText.of(kind) + " backend");
        TrainConfig own = config.withCluster(cluster -> cluster.withAttention(AttentionChoice.of(kind)));
        try (Arena arena = device.arena("question")) {
            Optional<String> reason = new Sdpa(device, arena, Set.of(kind)).whyNot(kind, shape(own));
            if (reason.isPresent()) {
                return reason.get();
            }
            trials.put(kind, new BackendTrial(own, compile(), vocabulary, ranks, device));
            return "";
        } catch (UnsupportedOperationException | DeviceMemoryException e) {
            return e.getMessage().lines().map(String::strip).collect(Collectors.joining(" "));
        }
    }

    private AttentionShape shape(TrainConfig config) {
        ModelSection model = config.model();
        return AttentionShape.self(
                config.train().microBatch(),
                model.nHead(),
                model.blockSize(),
                model.nEmbd() / model.nHead(),
                device.activationType(),
                true,
                (float) model.dropout(),
                false);
    }

    /** The first reason that a rank gives, and the ranks that give one unless all do; empty without any; the same on all. */
    private String common(String reason) {
        byte[][] all = ranks.allReduce().allGather(reason.getBytes(StandardCharsets.UTF_8));
        List<Integer> refusing = IntStream.range(0, all.length)
                .filter(i -> all[i].length > 0)
                .boxed()
                .toList();
        if (refusing.isEmpty()) {
            return "";
        }
        String first = new String(all[refusing.get(0)], StandardCharsets.UTF_8);
        return refusing.size() == all.length ? first : first + " (on ranks " + refusing + " only)";
    }

    /** What was measured of one backend's step: times in milliseconds, a value a round, and losses. */
    private static final class Times {
        private List<Double> lossSums = List.of();
        private final List<Double> step = new ArrayList<>();
        private final List<Double> forward = new ArrayList<>();
        private Double joulesPerThousandTokens;
    }

    private Map<BackendTrial.TimedStep, Times> time(
            TrainConfig config, Map<AttentionBackend.Kind, BackendTrial> trials) {
        Map<BackendTrial.TimedStep, Times> times = new LinkedHashMap<>();
        List<BackendTrial.TimedStep> all = plan.backends().stream()
                .filter(trials::containsKey)
                .flatMap(kind -> trials.get(kind).timedSteps().stream())
                .toList();
        if (all.isEmpty()) {
            return times;
        }
        List<List<Batch>> batches = batches(config, all.get(0).trial().share());
        for (BackendTrial.TimedStep timed : all) {
            say("length %d: warming up", config.model().blockSize());
            Times own = new Times();
            own.lossSums = timed.warmUp(batches.subList(0, plan.warmUp()), this::stepDone);
            times.put(timed, own);
        }
        List<List<Batch>> turn = batches.subList(batches.size() - plan.steps(), batches.size());
        for (int round = 0; round < plan.rounds(); round++) {
            say("length %d: round %d of %d", config.model().blockSize(), round + 1, plan.rounds());
            for (int i = 0; i < all.size(); i++) {
                BackendTrial.TimedStep timed = all.get((i + round) % all.size());
                ranks.allReduce().barrier();
                times.get(timed).step.add(timed.stepMillis(turn, this::stepDone));
                ranks.allReduce().barrier();
                times.get(timed).forward.add(timed.forwardMillis(turn, this::stepDone));
            }
        }
        times.forEach((timed, own) ->
                own.joulesPerThousandTokens = timed.joulesPerThousandTokens(turn, energyTurns(own), this::stepDone));
        return times;
    }

    /** How many turns all ranks run so that rank 0's counter of energy is fine against them; 0 if it has none. */
    private int energyTurns(Times times) {
        double turnMillis = plan.steps()
                * times.step.stream().mapToDouble(Double::doubleValue).min().orElseThrow();
        int turns = device.energyJoules().isPresent() ? (int) Math.ceil(ENERGY_MILLIS / turnMillis) : 0;
        byte[] agreed = ranks.allReduce()
                .broadcast(ByteBuffer.allocate(Integer.BYTES).putInt(turns).array());
        return ByteBuffer.wrap(agreed).getInt();
    }

    /** This rank's micro-batches of as many steps as are needed, the same for every backend. */
    private List<List<Batch>> batches(TrainConfig config, RankShare share) {
        BatchSampler sampler = new BatchSampler(
                tokens,
                config.train().microBatch(),
                config.model().blockSize(),
                config.train().seed());
        return IntStream.range(0, Math.max(plan.warmUp(), plan.steps()))
                .mapToObj(step -> IntStream.range(share.first(), share.first() + share.count())
                        .mapToObj(microBatch -> sampler.sample(step, microBatch))
                        .toList())
                .toList();
    }

    private void stepDone() {
        session.stepReached(++stepsDone);
    }

    private void say(String format, Object... values) {
        if (session.rank() == 0) {
            session.report(ComparisonBody.PROGRESS, String.format(Locale.ROOT, format, values));
        }
    }
}
