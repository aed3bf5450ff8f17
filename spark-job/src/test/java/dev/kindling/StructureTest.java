package dev.kindling;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaConstructor;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** No member of the main code that nothing reaches. */
class StructureTest {
    private static final Path ROOT = Path.of("..");
    private static final List<String> MODULES = List.of("data", "gpu-ops", "spark-job");
    /** What DESIGN.md promises to callers of the modules, and no job needs yet. */
    private static final Set<String> PROMISED = Set.of("attention.Sdpa.only", "attention.Sdpa$Scope.close");

    /** Packages for other programs, which call what is public in them. */
    private static final Set<String> INTERFACES = Set.of("dev.kindling.local", "dev.kindling.ml");

    private static final Set<String> SERVICES = services();

    private static Set<JavaClass> mainClasses() {
        return new ClassFileImporter()
                .importPackages("dev.kindling").stream()
                        .filter(type -> MODULES.stream().anyMatch(module -> Files.exists(source(module, type))))
                        .collect(Collectors.toSet());
    }

    /** Classes that META-INF/services names. */
    private static Set<String> services() {
        try (Stream<Path> files = Files.list(ROOT.resolve("spark-job/src/main/resources/META-INF/services"))) {
            return files.flatMap(StructureTest::lines).map(String::strip).collect(Collectors.toSet());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Stream<String> lines(Path file) {
        try {
            return Files.readAllLines(file).stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path source(String module, JavaClass type) {
        String topLevel = type.getName().replaceAll("\\$.*", "").replace('.', '/');
        return ROOT.resolve(module).resolve("src/main/java").resolve(topLevel + ".java");
    }

    @Test
    void mainCodeReachesEveryMember() {
        Set<JavaClass> classes = mainClasses();
        List<String> unreached = new Reachability(classes)
                .unreached(StructureTest::isEntryPoint).stream()
                        .filter(Reachability::isWritten)
                        .map(member -> name(member.getFullName()))
                        .toList();
        assertThat(unreached)
                .as("delete what only tests call, or move it to them")
                .isEmpty();
    }

    /** What something outside of the classes at hand calls or fills: the JVM, picocli, Spark. */
    private static boolean isEntryPoint(JavaMember member) {
        JavaClass owner = member.getOwner();
        boolean main = member instanceof JavaMethod
                && member.getName().equals("main")
                && member.getModifiers().contains(JavaModifier.STATIC);
        return main
                || PROMISED.contains(name(owner.getName() + "." + member.getName()))
                || isOfPicocli(member)
                || isOfInterface(member)
                || (member instanceof JavaConstructor
                        && (owner.getMembers().stream().anyMatch(StructureTest::isOfPicocli)
                                || SERVICES.contains(owner.getName())
                                || owner.getMembers().stream().anyMatch(StructureTest::isOfSparksStore)));
    }

    private static boolean isOfInterface(JavaMember member) {
        return INTERFACES.contains(member.getOwner().getPackageName())
                && member.getOwner().getModifiers().contains(JavaModifier.PUBLIC)
                && member.getModifiers().contains(JavaModifier.PUBLIC);
    }

    private static String name(String full) {
        return full.replace("dev.kindling.", "");
    }

    private static boolean isOfPicocli(JavaMember member) {
        return isAnnotatedFrom("picocli", member);
    }

    /** Spark reads such a class back from the store of its UI. */
    private static boolean isOfSparksStore(JavaMember member) {
        return isAnnotatedFrom("org.apache.spark.util.kvstore", member);
    }

    private static boolean isAnnotatedFrom(String origin, JavaMember member) {
        return member.getAnnotations().stream()
                .anyMatch(annotation -> annotation.getRawType().getPackageName().startsWith(origin));
    }
}
