package dev.kindling.run;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.input.Named;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.pretrained.CroppedModel;
import dev.kindling.pretrained.PretrainedModel;
import dev.kindling.storage.PathException;
import java.io.IOException;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * What a training starts from, found and checked by the driver before anything is written: random weights, the weights of
 * a checkpoint or of a Hugging Face folder that {@code train.init_from} names, or the run's own newest checkpoint.
 *
 * @param config in which {@code data.corpus} is qualified, {@code data.tokenizer} that of shards where those are the corpus,
 *     and {@code train.init_from} the directory of the weights
 * @param checkpoint where the weights are from; null for random ones
 * @param state what that checkpoint holds besides tensors; null for random weights
 * @param step optimizer steps that the run has done
 * @param notice what the user should be told about it
 * @param pretrained the folder's model, where the weights are to be taken from one
 */
public record StartingPoint(
        TrainConfig config,
        Path checkpoint,
        CheckpointState state,
        long step,
        Optional<String> notice,
        Optional<PretrainedModel> pretrained) {
    private static final String SCRATCH = "scratch";

    private StartingPoint(
            TrainConfig config, Path checkpoint, CheckpointState state, long step, Optional<String> notice) {
        this(config, checkpoint, state, step, notice, Optional.empty());
    }

    /**
     * The start of a new run.
     *
     * @throws ConfigException if {@code train.init_from} holds no checkpoint, or that of another model, or if the byte
     *     pairs of one are asked for and it is scratch
     */
    static StartingPoint ofNew(TrainConfig config, Configuration hadoop) throws IOException {
        TrainConfig own = qualified(config, hadoop);
        String location = own.train().initFrom();
        if (location.equals(SCRATCH)) {
            if (config.data().tokenizer() == TokenizerKind.BPE) {
                throw new ConfigException(
                        "data.tokenizer is bpe, the byte pairs of the weights that train.init_from names, but that is scratch; name a Hugging Face folder there, or set data.tokenizer to gpt2");
            }
            return new StartingPoint(own, null, null, 0, Optional.empty());
        }
        Path named = RunPath.absolute(location, hadoop);
        if (PretrainedModel.isAt(named, hadoop)) {
            PretrainedModel pretrained = PretrainedModel.open(named, hadoop);
            pretrained.requireFits(own);
            TrainConfig begun = own.withTrain(train -> train.withInitFrom(named.toString()));
            return new StartingPoint(
                    begun, named, pretrained.state(begun), 0, Optional.empty(), Optional.of(pretrained));
        }
        NamedCheckpoint resolved;
        CheckpointState state;
        try {
            resolved = NamedCheckpoint.of(named, WhichCheckpoint.BEST, hadoop);
            state = CheckpointStore.around(resolved.directory(), hadoop).loadState(resolved.directory());
        } catch (CheckpointException | PathException e) {
            throw new ConfigException("train.init_from: " + e.getMessage(), e);
        }
        Path checkpoint = resolved.directory();
        requireModel(own, state, checkpoint);
        TrainConfig begun = own.withTrain(train -> train.withInitFrom(checkpoint.toString()));
        return new StartingPoint(
                begun, checkpoint, state, 0, resolved.choice().map(choice -> "train.init_from: " + choice));
    }

    /** Positions that the weights were trained with, where they are a run's own. */
    private static int positions(CheckpointState state, Path checkpoint) {
        return TrainConfig.fromTree(state.config(), checkpoint + "/state.json")
                .model()
                .blockSize();
    }

    private static TrainConfig qualified(TrainConfig config, Configuration hadoop) throws IOException {
        if (!config.data().table().isEmpty()) {
            return config;
        }
        Named corpus = Named.corpus(config.data());
        String location = ShardPreparation.qualified(corpus, hadoop);
        TokenizerKind tokenizer = ShardPreparation.isPrepared(corpus, hadoop)
                ? TokenizerKind.of(ShardPreparation.open(location, hadoop).tokenizer())
                : config.data().tokenizer();
        return config.withData(data -> data.withCorpus(location).withTokenizer(tokenizer));
    }

    /** All of the model section but dropout, which has no weights, and fewer positions, of which the first are taken. */
    private static void requireModel(TrainConfig config, CheckpointState state, Path checkpoint) {
        TrainConfig trained = TrainConfig.fromTree(state.config(), checkpoint + "/state.json");
        PretrainedModel.requirePositions(
                config.model(), checkpoint.toString(), trained.model().blockSize());
        Set<String> free = Set.of("model.dropout", "model.block_size");
        Changes.between(trained, config, key -> key.startsWith("model.") && !free.contains(key))
                .ifPresent(changes -> {
                    throw new ConfigException(
                            "train.init_from %s is another model: %s; use its values, or another checkpoint",
                            checkpoint, changes);
                });
    }

    /**
     * Where a run goes on. It does so as the training that it is: the model, the data, the batches' size and order
     * ({@code train.global_batch}, {@code train.seed}) and {@code train.init_from} stay; schedule, optimizer, steps,
     * intervals, precision and cluster may change.
     *
     * @throws ConfigException if one of the settings that stay is another than before, or {@code train.max_steps} is less
     *     than the run has done
     * @throws CheckpointException if the run's checkpoints are damaged or gone
     */
    static StartingPoint ofResumed(RunDirectory run, TrainConfig asked, Configuration hadoop) throws IOException {
        TrainConfig recorded = qualified(run.config(ConfigOverrides.NONE), hadoop);
        TrainConfig own = qualified(asked, hadoop);
        String origin = recorded.train().initFrom();
        TrainConfig config = leadsTo(own.train().initFrom(), origin, hadoop)
                ? own.withTrain(train -> train.withInitFrom(origin))
                : own;
        Changes.between(recorded, config, StartingPoint::stays).ifPresent(changes -> {
            throw new ConfigException(
                    "a resume goes on with the same training, but of %s %s; leave that as it was, or begin another run with another --out (train.init_from takes over weights)",
                    run, changes);
        });
        CheckpointStore store = run.checkpoints(config.checkpoint().keep());
        FormerRanks.await(run, store, FormerRanks.NOTICE);
        CheckpointStore.Recovery recovery = store.latestValidOrRescued();
        if (recovery.found().isEmpty()) {
            requireNoneYet(run, recovery, recorded);
            StartingPoint anew = ofNew(config, hadoop);
            String notice = String.format(
                    Locale.ROOT,
                    "%s has no checkpoint yet: training begins at step 0 again, and metrics.jsonl, which has %d step(s), with it",
                    run,
                    run.metricsStep());
            return new StartingPoint(anew.config, anew.checkpoint, anew.state, 0, Optional.of(notice));
        }
        CheckpointState state = recovery.found().get();
        if (config.train().maxSteps() < state.step()) {
            throw new ConfigException(
                    "train.max_steps is %d, but %s has done %d steps; set it to more to go on",
                    config.train().maxSteps(), run, state.step());
        }
        return new StartingPoint(config, store.committed(state.step()), state, state.step(), Optional.empty());
    }

    private static boolean stays(String key) {
        return switch (key) {
            case "train.global_batch", "train.seed", "train.init_from" -> true;
            default -> key.startsWith("model.") || key.startsWith("data.");
        };
    }

    /** Whether {@code location} is the checkpoint {@code origin}, or the run that holds it. */
    private static boolean leadsTo(String location, String origin, Configuration hadoop) throws IOException {
        if (location.equals(SCRATCH) || origin.equals(SCRATCH)) {
            return location.equals(origin);
        }
        return (origin + "/").startsWith(RunPath.absolute(location, hadoop) + "/");
    }

    /** A run that has done as many steps as a checkpoint comes after, and has none, has lost it. */
    private static void requireNoneYet(RunDirectory run, CheckpointStore.Recovery recovery, TrainConfig recorded)
            throws IOException {
        if (!recovery.skipped().isEmpty()) {
            throw new CheckpointException(
                    "no checkpoint of %s can be read: %s; restore one, or train anew in another --out",
                    run, String.join("; ", recovery.skipped()));
        }
        long done = run.metricsStep();
        if (done >= Math.min(recorded.checkpoint().interval(), recorded.train().maxSteps())) {
            throw new CheckpointException(
                    "%s has done %d steps, as metrics.jsonl says, but holds no checkpoint; restore its checkpoints folder, or train anew in another --out",
                    run, done);
        }
    }

    /**
     * Saves the weights of a folder, or the first positions of a run's with more of them, as the run's checkpoint of step
     * 0, from which every rank begins.
     */
    public void save(RunDirectory run) throws IOException {
        CheckpointStore store = run.checkpoints(config.checkpoint().keep());
        if (pretrained.isPresent()) {
            pretrained.get().save(config, store);
        } else if (state != null
                && step == 0
                && positions(state, checkpoint) > config.model().blockSize()) {
            CroppedModel.save(checkpoint, config, store);
        }
    }

    /** The vocabulary to prepare text with, where it is the weights' own, not one that {@code data.tokenizer} names. */
    public Optional<Tokenizer> vocabulary() {
        boolean own = config.data().tokenizer() == TokenizerKind.BPE && state != null;
        return own || pretrained.isPresent()
                ? Optional.of(Tokenizers.fromJson(state.tokenizer(), checkpoint + ": its vocabulary"))
                : Optional.empty();
    }

    /**
     * Checks that the tokens of the corpus mean what the weights have learned.
     *
     * @param tokenizer of the shards, as JSON
     * @param trainTokens in them
     * @throws ConfigException if the checkpoint was trained with another vocabulary or, where the run goes on, if its corpus
     *     has changed since
     */
    public void requireCorpus(JsonNode tokenizer, long trainTokens) {
        if (state != null && !state.tokenizer().equals(tokenizer)) {
            throw new ConfigException(
                    "%s was trained with another vocabulary than data.corpus %s has (%s); set data.corpus to shards that were prepared with the checkpoint's, or train from scratch",
                    checkpoint, config.data().corpus(), VocabularyDifference.describe(state.tokenizer(), tokenizer));
        }
        if (step > 0 && state.trainTokens().orElse(trainTokens) != trainTokens) {
            throw new ConfigException(
                    "data.corpus %s has changed: its training split has %,d tokens and had %,d when %s was written, so a resume would not be the same training; restore it, or begin another run with another --out (train.init_from takes over weights)",
                    config.data().corpus(), trainTokens, state.trainTokens().getAsLong(), checkpoint);
        }
    }

    /** Whether all steps have been done before, so that there is nothing to do but to say so. */
    public Optional<String> finished(RunDirectory run) throws IOException {
        if (step == 0 || run.summarizedSteps() < step) {
            return Optional.empty();
        }
        TrainSection train = config.train();
        if (step >= train.maxSteps()) {
            return Optional.of(String.format(
                    Locale.ROOT,
                    "%s has done all of its %d steps, and nothing was changed; set train.max_steps to more to go on",
                    run,
                    step));
        }
        return train.isExhausted(step, state.bestStep().orElse(0))
                ? Optional.of(String.format(
                        Locale.ROOT,
                        "%s has ended at step %d by train.patience, and nothing was changed; set that to more, or to 0, to go on",
                        run,
                        step))
                : Optional.empty();
    }
}
