package dev.kindling.device.cuda;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** One door to CUDA: nothing else of this module knows JCuda. */
class CudaPackageTest {
    @Test
    void onlyThisPackageTouchesJCuda() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.kindling.device.cuda..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jcuda..")
                .check(new ClassFileImporter()
                        .withImportOption(new ImportOption.DoNotIncludeTests())
                        .importPackages("dev.kindling"));
    }
}
