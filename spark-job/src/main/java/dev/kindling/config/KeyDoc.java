package dev.kindling.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Declares a configuration key on the component of a section's record that holds it. The key's name is the section's,
 * a dot, and the component's in snake case: {@code train.micro_batch}.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
@interface KeyDoc {
    /** The value of a configuration that does not name the key, written as in YAML. */
    String defaultValue();

    /** What the key sets, with its unit. */
    String doc();

    /** The values that it may have, where its type does not say so: an enum and a boolean do. */
    String allowed() default "";
}
