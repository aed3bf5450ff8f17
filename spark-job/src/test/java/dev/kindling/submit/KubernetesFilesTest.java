package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.kindling.job.Kindling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The files of conf/kubernetes: that they are what kubectl and docker read, and name what is there. No cluster runs. */
class KubernetesFilesTest {
    private static final Path ROOT = Path.of("..");
    private static final Path FOLDER = ROOT.resolve("conf/kubernetes");

    /** Of SparkApplicationSpec in sparkoperator.k8s.io/v1beta2. */
    private static final Set<String> SPEC = Set.of(
            "type",
            "mode",
            "sparkVersion",
            "image",
            "imagePullPolicy",
            "mainClass",
            "mainApplicationFile",
            "arguments",
            "restartPolicy",
            "sparkConf",
            "hadoopConf",
            "driver",
            "executor",
            "volumes",
            "deps");

    private static final Set<String> RESTART = Set.of(
            "type",
            "onFailureRetries",
            "onFailureRetryInterval",
            "onSubmissionFailureRetries",
            "onSubmissionFailureRetryInterval");

    /** Of SparkPodSpec, which driver and executor share. */
    private static final Set<String> POD =
            Set.of("cores", "memory", "memoryOverhead", "serviceAccount", "env", "volumeMounts", "nodeSelector");

    /** Docker's, as of its reference. */
    private static final Set<String> INSTRUCTIONS = Set.of(
            "ADD",
            "ARG",
            "CMD",
            "COPY",
            "ENTRYPOINT",
            "ENV",
            "EXPOSE",
            "FROM",
            "HEALTHCHECK",
            "LABEL",
            "ONBUILD",
            "RUN",
            "SHELL",
            "STOPSIGNAL",
            "USER",
            "VOLUME",
            "WORKDIR");

    private static String spark() {
        return org.apache.spark.package$.MODULE$.SPARK_VERSION();
    }

    private static Set<String> names(JsonNode node) {
        Set<String> names = new HashSet<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }

    @Test
    void theManifestHasTheOperatorsFields() throws IOException {
        JsonNode manifest =
                new YAMLMapper().readTree(FOLDER.resolve("train.yaml").toFile());
        assertThat(names(manifest)).containsExactlyInAnyOrder("apiVersion", "kind", "metadata", "spec");
        assertThat(manifest.path("apiVersion").asText()).isEqualTo("sparkoperator.k8s.io/v1beta2");
        assertThat(manifest.path("kind").asText()).isEqualTo("SparkApplication");
        assertThat(manifest.at("/metadata/name").asText()).matches("[a-z0-9]([-a-z0-9]*[a-z0-9])?");
        JsonNode spec = manifest.path("spec");
        assertThat(SPEC).containsAll(names(spec));
        assertThat(spec.path("type").asText()).isEqualTo("Java");
        assertThat(spec.path("mode").asText()).isEqualTo("cluster");
        assertThat(spec.path("sparkVersion").asText()).isEqualTo(spark());
        assertThat(RESTART).containsAll(names(spec.path("restartPolicy")));
        assertThat(spec.at("/restartPolicy/type").asText()).isIn("Never", "OnFailure", "Always");
        assertThat(POD).containsAll(names(spec.path("driver")));
        assertThat(POD).containsAll(names(without(spec.path("executor"), "instances")));
        spec.path("sparkConf").properties().forEach(setting -> {
            assertThat(setting.getKey()).startsWith("spark.");
            assertThat(setting.getValue().isTextual()).as("%s is text", setting).isTrue();
        });
        Set<String> volumes = new HashSet<>();
        spec.path("volumes").forEach(volume -> volumes.add(volume.path("name").asText()));
        for (String pod : List.of("driver", "executor")) {
            spec.path(pod).path("volumeMounts").forEach(mount -> {
                assertThat(mount.path("name").asText()).isIn(volumes);
                assertThat(mount.path("mountPath").asText()).startsWith("/");
            });
        }
    }

    private static JsonNode without(JsonNode node, String name) {
        return ((com.fasterxml.jackson.databind.node.ObjectNode) node.deepCopy()).without(name);
    }

    @Test
    void theManifestRunsACommandThatThereIs() throws IOException {
        JsonNode spec =
                new YAMLMapper().readTree(FOLDER.resolve("train.yaml").toFile()).path("spec");
        assertThat(spec.path("mainClass").asText()).isEqualTo(Kindling.class.getName());
        assertThat(instructions())
                .contains("COPY spark-job/target/kindling.jar "
                        + spec.path("mainApplicationFile").asText().replace("local://", ""))
                .contains("COPY --chmod=755 conf/gpu-discovery.sh "
                        + spec.at("/sparkConf/spark.executor.resource.gpu.discoveryScript")
                                .asText());
        List<String> arguments = new ArrayList<>();
        spec.path("arguments").forEach(argument -> {
            assertThat(argument.isTextual()).as("%s is text", argument).isTrue();
            arguments.add(argument.asText());
        });
        assertThat(arguments).startsWith("train").contains("--out");
        assertThat(arguments.get(arguments.indexOf("--executors") + 1))
                .isEqualTo(spec.at("/executor/instances").asText());
    }

    @Test
    void theDockerfileHasDockersInstructions() throws IOException {
        Set<String> declared = new HashSet<>();
        boolean begun = false;
        for (String line : instructions()) {
            String instruction = line.split(" ", 2)[0];
            assertThat(instruction).as(line).isIn(INSTRUCTIONS);
            assertThat(begun || instruction.equals("ARG") || instruction.equals("FROM"))
                    .as(line)
                    .isTrue();
            begun |= instruction.equals("FROM");
            if (instruction.equals("ARG")) {
                declared.add(line.substring(4).split("=")[0]);
            }
            Matcher variable = Pattern.compile("\\$\\{(\\w+)}").matcher(line);
            while (variable.find()) {
                assertThat(variable.group(1)).isIn(declared);
            }
        }
        assertThat(instructions())
                .contains("USER spark")
                .anyMatch(line -> line.contains("apache/spark:" + spark() + "-"));
        assertThat(instructions()).anyMatch(line -> line.startsWith("ARG CUDA_IMAGE=nvidia/cuda:12"));
        assertThat(ROOT.resolve("conf/gpu-discovery.sh")).exists();
    }

    /** The Dockerfile's instructions, each on one line, without comments. */
    private static List<String> instructions() throws IOException {
        String text = Files.readString(FOLDER.resolve("Dockerfile"));
        return text.lines()
                .filter(line -> !line.startsWith("#"))
                .reduce("", (all, line) -> all + line + "\n")
                .replace("\\\n", " ")
                .lines()
                .map(line -> line.strip().replaceAll(" +", " "))
                .filter(line -> !line.isEmpty())
                .toList();
    }
}
