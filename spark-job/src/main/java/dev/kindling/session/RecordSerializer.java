package dev.kindling.session;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;

/**
 * Kryo for a record: its components in order, then its canonical constructor, which validates as always. Spark's Kryo
 * 4.0.3 knows no records and fails on a plainly registered one. Not for components that refer back to the record.
 */
public final class RecordSerializer<R extends Record> extends Serializer<R> {
    private final Class<R> type;
    private final RecordComponent[] components;
    private final Constructor<R> constructor;

    /** For the record class {@code type}. */
    public RecordSerializer(Class<R> type) {
        super(false, true);
        this.type = type;
        this.components = type.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        for (int i = 0; i < types.length; i++) {
            types[i] = components[i].getType();
            components[i].getAccessor().setAccessible(true);
        }
        try {
            this.constructor = type.getDeclaredConstructor(types);
        } catch (NoSuchMethodException e) {
            throw new IllegalArgumentException(type + " has no canonical constructor", e);
        }
        constructor.setAccessible(true);
    }

    @Override
    public void write(Kryo kryo, Output output, R record) {
        for (RecordComponent component : components) {
            Object value = get(component.getAccessor(), record);
            if (component.getType().isPrimitive()) {
                kryo.writeObject(output, value);
            } else {
                kryo.writeClassAndObject(output, value);
            }
        }
    }

    @Override
    public R read(Kryo kryo, Input input, Class<R> recordType) {
        Object[] values = new Object[components.length];
        for (int i = 0; i < values.length; i++) {
            Class<?> componentType = components[i].getType();
            values[i] = componentType.isPrimitive()
                    ? kryo.readObject(input, boxed(componentType))
                    : kryo.readClassAndObject(input);
        }
        try {
            return constructor.newInstance(values);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot read a " + type.getName() + ": " + e, e);
        }
    }

    private static Class<?> boxed(Class<?> primitive) {
        return MethodType.methodType(primitive).wrap().returnType();
    }

    private Object get(Method accessor, R record) {
        try {
            return accessor.invoke(record);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot write a " + type.getName() + ": " + e, e);
        }
    }
}
