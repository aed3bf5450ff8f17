package dev.kindling.device.cuda;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** One door to native code: nothing else of this module knows JCuda or JNA. */
class CudaPackageTest {
    @Test
    void onlyThisPackageTouchesJCudaAndJna() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.kindling.device.cuda..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("jcuda..", "com.sun.jna..")
                .check(new ClassFileImporter()
                        .withImportOption(new ImportOption.DoNotIncludeTests())
                        .importPackages("dev.kindling"));
    }
}
