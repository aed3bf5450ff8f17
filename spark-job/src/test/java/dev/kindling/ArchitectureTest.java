package dev.kindling;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;

/** The walls between the modules and packages, over the classes of all three modules. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.kindling");

    /** From the ground up; rooms of one floor do not know each other. */
    private static final List<List<String>> FLOORS = List.of(
            List.of("device.unpack"),
            List.of("data", "tensor"),
            List.of("data.corpus", "device", "device.cuda.library"),
            List.of("data.token", "attention", "device.cpu.rows", "device.cuda", "nn.parameter"),
            List.of("data.shard", "nn", "profile", "device.cpu.matmul", "device.cuda.collective"),
            List.of("data.batch", "optim", "device.cpu.flash", "device.cuda.nccl", "device.cuda.peer", "nn.sample"),
            List.of("device.cpu", "interop"),
            List.of("local"),
            // spark-job
            List.of("allreduce.link", "storage"),
            List.of("allreduce", "checkpoint", "report"),
            List.of("coordinate.message"),
            List.of("config"),
            List.of("input"),
            List.of("coordinate", "prepare"),
            List.of("model", "monitor", "tracking"),
            List.of("pretrained"),
            List.of("run"),
            List.of("exchange", "plan", "train.checkpoint"),
            List.of("inference", "train", "evaluate.item"),
            List.of("compare", "doctor", "evaluate", "generate"),
            List.of("session"),
            List.of("job.options"),
            List.of("job.command"),
            List.of("job"),
            List.of("ml"));

    private static final String[] BELOW_SPARK = {
        "dev.kindling.data..",
        "dev.kindling.tensor..",
        "dev.kindling.device..",
        "dev.kindling.attention..",
        "dev.kindling.nn..",
        "dev.kindling.optim..",
        "dev.kindling.interop..",
        "dev.kindling.local..",
        "dev.kindling.profile.."
    };

    @Test
    void everyModuleIsImported() {
        Assertions.assertThat(CLASSES.contain("dev.kindling.data.shard.ShardSet"))
                .isTrue();
        Assertions.assertThat(CLASSES.contain("dev.kindling.nn.Gpt")).isTrue();
        Assertions.assertThat(CLASSES.contain("dev.kindling.config.TrainConfig"))
                .isTrue();
    }

    @Test
    void dataAndGpuOpsKnowNoSpark() {
        noClasses()
                .that()
                .resideInAnyPackage(BELOW_SPARK)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.spark..", "org.apache.hadoop..", "scala..")
                .check(CLASSES);
    }

    @Test
    void dataKnowsNoDevices() {
        noClasses()
                .that()
                .resideInAPackage("dev.kindling.data..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.kindling.device..", "dev.kindling.tensor..", "jcuda..")
                .check(CLASSES);
    }

    @Test
    void cudaStaysInItsPackage() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.kindling.device.cuda..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jcuda..")
                .check(CLASSES);
    }

    @Test
    void nativeCallsStayInTheDevices() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.kindling.device..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("com.sun.jna..", "org.bytedeco..")
                .check(CLASSES);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("dev.kindling.(**)").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void everyPackageNeedsOnlyTheFloorsBelowIt() {
        Map<String, Integer> floorOf = new HashMap<>();
        for (int floor = 0; floor < FLOORS.size(); floor++) {
            for (String room : FLOORS.get(floor)) {
                floorOf.put("dev.kindling." + room, floor);
            }
        }
        List<String> climbs = new ArrayList<>();
        for (JavaClass type : CLASSES) {
            Integer own = floorOf.get(type.getPackageName());
            Assertions.assertThat(own)
                    .as("%s is on no floor; give its package one in FLOORS", type.getPackageName())
                    .isNotNull();
            type.getDirectDependenciesFromSelf().stream()
                    .map(Dependency::getTargetClass)
                    .map(JavaClass::getBaseComponentType)
                    .filter(target -> target.getPackageName().startsWith("dev.kindling"))
                    .filter(target -> !target.getPackageName().equals(type.getPackageName()))
                    .filter(target -> floorOf.getOrDefault(target.getPackageName(), Integer.MAX_VALUE) >= own)
                    .forEach(target -> climbs.add(type.getName() + " -> " + target.getName()));
        }
        Assertions.assertThat(climbs).isEmpty();
    }
}
