package dev.kindling.job.command;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.job.options.AttentionOptions;
import dev.kindling.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "attention",
        description = "Check and time each attention backend on this machine's device.",
        sortOptions = false)
public final class AttentionCommand implements Callable<Integer> {
    @Option(names = "--batch", paramLabel = "B", defaultValue = "4", description = "Sequences (${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--heads", paramLabel = "H", defaultValue = "12", description = "Heads (${DEFAULT-VALUE}).")
    private int heads;

    @Option(names = "--length", paramLabel = "T", description = "Tokens of a sequence (1024).")
    private Integer length;

    @Option(names = "--lengths", split = ",", paramLabel = "T", description = "Several lengths, in place of --length.")
    private List<Integer> lengths = new ArrayList<>();

    @Option(
            names = "--head-dim",
            paramLabel = "D",
            defaultValue = "64",
            description = "Width of a head (${DEFAULT-VALUE}).")
    private int headDim;

    @Option(names = "--dtype", paramLabel = "NAME", description = "fp32, bf16 or fp16 (bf16 on a GPU, fp32 on a CPU).")
    private String dtype;

    @Option(names = "--causal", description = "Each token sees itself and those before it.")
    private boolean causal;

    @Option(names = "--backward", description = "Time forward and backward together, too.")
    private boolean backward;

    @Option(names = "--dropout", paramLabel = "P", defaultValue = "0", description = "Of probabilities (none).")
    private float dropout;

    @Option(
            names = "--module",
            description =
                    "Time a causal self-attention layer instead, with its projections, eager and captured; then its"
                            + " operators.")
    private boolean module;

    @Option(
            names = "--packed",
            paramLabel = "MEAN",
            description =
                    "Time that layer over a batch of sequences of MEAN tokens on average, padded to T and packed.")
    private Integer packed;

    @Option(names = "--device", paramLabel = "NAME", defaultValue = "auto", description = "auto, cpu or cuda.")
    private String device;

    private final Job<AttentionOptions> job;

    public AttentionCommand(Job<AttentionOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        check(length == null || lengths.isEmpty(), "--length and --lengths exclude each other; give one of them");
        List<Integer> all = !lengths.isEmpty() ? lengths : List.of(length == null ? Integer.valueOf(1024) : length);
        positive("--batch", batch);
        positive("--heads", heads);
        positive("--head-dim", headDim);
        all.forEach(each -> positive(lengths.isEmpty() ? "--length" : "--lengths", each));
        for (int each : all) {
            check(
                    (double) batch * heads * each * headDim <= Integer.MAX_VALUE - 8,
                    "--batch %d x --heads %d x length %d x --head-dim %d is more than 2^31 elements; lower one of them",
                    batch,
                    heads,
                    each,
                    headDim);
        }
        check(dropout >= 0 && dropout < 1, "--dropout is %s, but it is a probability; set it in [0, 1)", dropout);
        if (packed != null) {
            checkPacked(all);
        }
        job.run(new AttentionOptions(
                batch,
                heads,
                List.copyOf(all),
                headDim,
                type(),
                causal,
                backward,
                dropout,
                module,
                packed == null ? OptionalInt.empty() : OptionalInt.of(packed),
                OptionValues.of("--device", device, DeviceChoice.class)));
        return ExitCode.DONE;
    }

    private void checkPacked(List<Integer> all) {
        check(!module, "--module and --packed exclude each other; give one of them");
        positive("--packed", packed);
        int shortest = Collections.min(all);
        check(
                packed <= shortest,
                "--packed %d is longer than sequences of at most %d tokens; lower it, or raise --length",
                packed,
                shortest);
    }

    private Optional<DType> type() {
        if (dtype == null) {
            return Optional.empty();
        }
        return Optional.of(
                switch (dtype) {
                    case "fp32" -> DType.F32;
                    case "bf16" -> DType.BF16;
                    case "fp16" -> DType.F16;
                    default ->
                        throw new ConfigException("--dtype is '" + dtype + "', but it must be fp32, bf16 or fp16");
                });
    }

    private static void positive(String option, int value) {
        check(value >= 1, "%s is %d; set it to 1 or more", option, value);
    }
}
