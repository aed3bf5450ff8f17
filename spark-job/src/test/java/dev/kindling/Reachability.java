package dev.kindling;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaConstructor;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Which members of some classes run when their entry points do: what a reached method calls, reads or refers to; the
 * overrides of a reached method in the classes at hand; and what overrides a method of other classes, which those call.
 * Static and instance initializers run with their class. Not seen: reflection, and compile-time constants, which the
 * compiler copies to where they are used.
 */
final class Reachability {
    private final Collection<JavaClass> classes;
    private final Map<JavaCodeUnit, List<JavaMember>> targets = new HashMap<>();
    /** For a method, those of the classes at hand that override it. */
    private final Map<JavaMethod, List<JavaMethod>> overrides = new HashMap<>();
    /** Methods that override one of a class that is not at hand. */
    private final Set<JavaMethod> calledFromOutside = new HashSet<>();

    /** For a class, those that it names as X.class, to be made by reflection. */
    private final Map<JavaClass, Set<JavaClass>> classObjects = new HashMap<>();

    private final Set<JavaMember> reached = new HashSet<>();
    private final Set<JavaClass> used = new HashSet<>();
    private final Deque<JavaMember> open = new ArrayDeque<>();

    Reachability(Collection<JavaClass> classes) {
        this.classes = classes;
        for (JavaClass type : classes) {
            for (JavaAccess<?> access : type.getAccessesFromSelf()) {
                access.getTarget()
                        .resolveMember()
                        .ifPresent(target -> targets.computeIfAbsent(access.getOrigin(), unit -> new ArrayList<>())
                                .add(target));
            }
            classObjects.putIfAbsent(type, new HashSet<>());
            type.getReferencedClassObjects()
                    .forEach(object -> classObjects.get(type).add(object.getRawType()));
            type.getMethods().forEach(this::findOverridden);
        }
    }

    private void findOverridden(JavaMethod method) {
        JavaClass owner = method.getOwner();
        List<JavaClass> above = new ArrayList<>(owner.getAllRawSuperclasses());
        above.addAll(owner.getAllRawInterfaces());
        for (JavaClass type : above) {
            type.tryGetMethod(method.getName(), names(method)).ifPresent(overridden -> {
                if (classes.contains(type)) {
                    overrides
                            .computeIfAbsent(overridden, key -> new ArrayList<>())
                            .add(method);
                } else {
                    calledFromOutside.add(method);
                }
            });
        }
    }

    private static String[] names(JavaMethod method) {
        return method.getRawParameterTypes().stream()
                .map(JavaClass::getFullName)
                .toArray(String[]::new);
    }

    /** The members that no entry point leads to. */
    List<JavaMember> unreached(Predicate<JavaMember> entryPoint) {
        for (JavaClass type : classes) {
            type.getMembers().stream().filter(entryPoint).forEach(this::reach);
        }
        while (!open.isEmpty()) {
            JavaMember member = open.remove();
            use(member.getOwner());
            if (member instanceof JavaCodeUnit unit) {
                targets.getOrDefault(unit, List.of()).forEach(this::reach);
            }
            if (member instanceof JavaMethod method) {
                overrides.getOrDefault(method, List.of()).forEach(this::reach);
            }
        }
        return classes.stream()
                .flatMap(type -> type.getMembers().stream())
                .filter(member -> !reached.contains(member))
                .toList();
    }

    private void reach(JavaMember member) {
        if (classes.contains(member.getOwner()) && reached.add(member)) {
            open.add(member);
        }
    }

    private void use(JavaClass type) {
        if (!classes.contains(type) || !used.add(type)) {
            return;
        }
        type.getStaticInitializer().ifPresent(this::reach);
        type.getMethods().stream().filter(calledFromOutside::contains).forEach(this::reach);
        for (JavaClass named : classObjects.get(type)) {
            named.getConstructors().forEach(this::reach);
        }
        type.getRawSuperclass().ifPresent(this::use);
        type.getEnclosingClass().ifPresent(this::use);
    }

    /**
     * Whether a person wrote the member, to be run: not the compiler, not a record's component, not a constructor that is
     * there to keep others from calling it, and not a constant, which is copied to where it is used.
     */
    static boolean isWritten(JavaMember member) {
        return !isOfEnum(member)
                && !isOfRecord(member)
                && !member.getModifiers().contains(JavaModifier.SYNTHETIC)
                && !member.getModifiers().contains(JavaModifier.BRIDGE)
                && !(member instanceof JavaConstructor constructor
                        && constructor.getModifiers().contains(JavaModifier.PRIVATE)
                        && constructor.getRawParameterTypes().isEmpty())
                && !(member instanceof JavaField field && isConstant(field));
    }

    private static boolean isOfEnum(JavaMember member) {
        return member.getOwner().isEnum() && Set.of("values", "valueOf").contains(member.getName());
    }

    /** Components, and what the compiler adds to them: a record is read as a whole too, by Jackson, Kryo and equals. */
    private static boolean isOfRecord(JavaMember member) {
        JavaClass owner = member.getOwner();
        boolean accessor = member instanceof JavaMethod method
                && method.getRawParameterTypes().isEmpty()
                && owner.tryGetField(member.getName()).isPresent();
        return owner.isRecord()
                && (accessor || Set.of("equals", "hashCode", "toString").contains(member.getName()));
    }

    private static boolean isConstant(JavaField field) {
        return field.getModifiers().contains(JavaModifier.FINAL)
                && (field.getRawType().isPrimitive() || field.getRawType().isEquivalentTo(String.class))
                && field.getModifiers().contains(JavaModifier.STATIC);
    }
}
