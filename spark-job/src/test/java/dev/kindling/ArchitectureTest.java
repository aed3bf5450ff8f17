package dev.kindling;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;

/** The walls between the modules and packages, over the classes of all three modules. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.kindling");

    private static final String[] BELOW_SPARK = {
        "dev.kindling.data..",
        "dev.kindling.tensor..",
        "dev.kindling.device..",
        "dev.kindling.attention..",
        "dev.kindling.nn..",
        "dev.kindling.optim..",
        "dev.kindling.profile.."
    };

    @Test
    void everyModuleIsImported() {
        Assertions.assertThat(CLASSES.contain("dev.kindling.data.shard.ShardSet"))
                .isTrue();
        Assertions.assertThat(CLASSES.contain("dev.kindling.nn.Gpt")).isTrue();
        Assertions.assertThat(CLASSES.contain("dev.kindling.train.TrainConfig")).isTrue();
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
}
