package dev.kindling.job.command;

import dev.kindling.config.ConfigException;
import dev.kindling.job.options.TrackingOptions;
import java.net.URI;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options of commands whose run an MLflow server may track. */
@Command
final class TrackingMixin {
    private static final String EXPERIMENT = "kindling";

    @Option(
            names = "--mlflow",
            paramLabel = "URI",
            description =
                    "An MLflow tracking server (http or https) to tell of the run: configuration, metrics, and at the end the"
                            + " folder of --export hf. Needs MLflow's client: --conf spark.jars.packages=org.mlflow:mlflow-client:2.17.2.")
    private String server;

    @Option(
            names = "--mlflow-experiment",
            paramLabel = "NAME",
            description = "The experiment there, made if need be. Default: " + EXPERIMENT + ".")
    private String experiment;

    Optional<TrackingOptions> tracking() {
        if (server == null && experiment != null) {
            throw new ConfigException(
                    "--mlflow-experiment needs to know on which server; give its address with --mlflow URI");
        }
        return Optional.ofNullable(server)
                .map(address -> new TrackingOptions(uri(address), experiment == null ? EXPERIMENT : experiment));
    }

    private static URI uri(String address) {
        try {
            URI uri = URI.create(address);
            if (uri.getHost() != null && ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme()))) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            throw refused(address, e);
        }
        throw refused(address, null);
    }

    private static ConfigException refused(String address, Exception cause) {
        return new ConfigException(
                "--mlflow is " + address
                        + ", and only tracking servers are spoken to; give one's address, such as http://mlflow:5000",
                cause);
    }
}
