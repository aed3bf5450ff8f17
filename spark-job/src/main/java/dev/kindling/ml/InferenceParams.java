package dev.kindling.ml;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.config.EnumText;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.nn.sample.Sampling;
import java.util.List;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.param.StringArrayParam;

/** What a trained model computes on, and how it draws tokens. */
final class InferenceParams {
    private final Params owner;
    final Param<String> device;
    final Param<String> precision;
    final Param<String> attention;
    final IntParam batchSize;
    final IntParam maxTokens;
    final DoubleParam temperature;
    final IntParam topK;
    final DoubleParam topP;
    final StringArrayParam stopStrings;
    final LongParam seed;

    /** Those of {@code owner}, with their defaults set. */
    InferenceParams(Params owner) {
        this.owner = owner;
        String uid = owner.uid();
        device = new Param<>(uid, "device", "device of the tasks; auto: a GPU where Spark gives one", String.class);
        precision = new Param<>(uid, "precision", "precision of activations; auto: that of training", String.class);
        attention = new Param<>(uid, "attention", "backend of attention; auto: the fastest that can run", String.class);
        List.of(device, precision, attention).forEach(param -> owner.setDefault(param, "auto"));
        batchSize = new IntParam(uid, "batchSize", "texts side by side in a pass; 0: the micro-batch of training");
        maxTokens = new IntParam(uid, "maxTokens", "the most tokens of a completion");
        temperature = new DoubleParam(
                uid, "temperature", "logits are divided by it for a completion; 0: the likeliest token");
        topK = new IntParam(uid, "topK", "a completion draws among the likeliest topK tokens; 0: all");
        topP = new DoubleParam(uid, "topP", "a completion draws among tokens that make up this probability; 1: all");
        stopStrings = new StringArrayParam(owner, "stopStrings", "strings before the first of which a completion ends");
        seed = new LongParam(uid, "seed", "seed of completions");
        owner.setDefault(batchSize, 0);
        owner.setDefault(maxTokens, 100);
        owner.setDefault(temperature, 1.0);
        owner.setDefault(topK, 0);
        owner.setDefault(topP, 1.0);
        owner.setDefault(stopStrings, new String[0]);
        owner.setDefault(seed, 1337L);
    }

    List<Param<?>> all() {
        return List.of(device, precision, attention, batchSize, maxTokens, temperature, topK, topP, stopStrings, seed);
    }

    /** @throws ConfigException if a value is out of range or none of the choices */
    void require() {
        device();
        attention();
        precision();
        sampling();
        check(
                whole(batchSize) >= 0,
                "batchSize is %d; set it to 1 or more, or to 0 for the micro-batch of training",
                whole(batchSize));
        check(whole(maxTokens) >= 1, "maxTokens is %d; set it to 1 or more", whole(maxTokens));
    }

    DeviceChoice device() {
        return choice(device, DeviceChoice.class);
    }

    AttentionChoice attention() {
        return choice(attention, AttentionChoice.class);
    }

    /** That which is asked for or, for {@code auto}, that of a training. */
    PrecisionChoice precision(TrainConfig trained) {
        return precision().orThatOf(trained.train().precision());
    }

    private PrecisionChoice precision() {
        return choice(precision, PrecisionChoice.class).requireInference("precision");
    }

    Sampling sampling() {
        try {
            return new Sampling(real(temperature), whole(topK), real(topP));
        } catch (IllegalArgumentException e) {
            throw new ConfigException(e.getMessage(), e);
        }
    }

    private <E extends Enum<E>> E choice(Param<String> param, Class<E> type) {
        String text = owner.getOrDefault(param);
        return EnumText.parse(text, type)
                .orElseThrow(() -> new ConfigException(EnumText.refusal(param.name(), text, type)));
    }

    int whole(IntParam param) {
        return (Integer) owner.getOrDefault(param);
    }

    private float real(DoubleParam param) {
        return ((Double) owner.getOrDefault(param)).floatValue();
    }
}
