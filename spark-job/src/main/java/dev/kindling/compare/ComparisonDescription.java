package dev.kindling.compare;

import dev.kindling.config.TrainConfig;
import dev.kindling.report.BackendReport;
import dev.kindling.report.RankMeasurement;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaSparkContext;

/** What a comparison's report says of where and how it was made. */
public final class ComparisonDescription {
    private static final DateTimeFormatter MINUTE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT);

    private ComparisonDescription() {}

    public static BackendReport.About of(
            ComparisonPlan plan,
            TrainConfig config,
            List<String> notes,
            Map<Integer, List<RankMeasurement>> measured,
            JavaSparkContext spark) {
        List<RankMeasurement> ranks =
                measured.values().stream().flatMap(List::stream).toList();
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("Devices", distinct(ranks, RankMeasurement::device));
        environment.put("Peak of a device", distinct(ranks, RankMeasurement::peakBasis));
        environment.put("Precision", distinct(ranks, RankMeasurement::precision));
        environment.put(
                "Allreduce",
                ranks.stream()
                        .flatMap(rank -> rank.cases().stream())
                        .map(RankMeasurement.Case::allreduce)
                        .filter(name -> !name.isEmpty())
                        .distinct()
                        .collect(Collectors.joining("; ")));
        environment.put("Hosts", distinct(ranks, RankMeasurement::host));
        environment.put("Spark", spark.version() + ", master " + spark.master());
        environment.put("Java", Runtime.version() + ", " + System.getProperty("java.vm.name"));
        environment.put(
                "Driver's host",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch") + ", "
                        + Runtime.getRuntime().availableProcessors() + " processors");
        environment.put("Kindling", version());
        List<String> all = new ArrayList<>(notes);
        boolean compiled =
                ranks.stream().flatMap(rank -> rank.cases().stream()).anyMatch(RankMeasurement.Case::compiled);
        if (plan.compile().contains(true) && !compiled) {
            all.add("a step is captured on a GPU only; on the CPU it ran eager, and once");
        }
        return new BackendReport.About(
                "Attention backends compared",
                MINUTE.format(ZonedDateTime.now(ZoneOffset.UTC)),
                config.toYaml(),
                environment,
                new BackendReport.Method(plan.warmUp(), plan.rounds(), plan.steps()),
                List.copyOf(all));
    }

    private static String distinct(List<RankMeasurement> ranks, Function<RankMeasurement, String> what) {
        return ranks.stream().map(what).distinct().collect(Collectors.joining("; "));
    }

    private static String version() {
        String version = ComparisonDescription.class.getPackage().getImplementationVersion();
        return version == null ? "not from a jar" : version;
    }
}
