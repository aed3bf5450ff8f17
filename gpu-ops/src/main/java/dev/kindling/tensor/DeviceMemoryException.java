package dev.kindling.tensor;

/**
 * A device has too little memory for an allocation. The message says how much was asked for, how much is free, and
 * which setting to lower.
 */
public final class DeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public DeviceMemoryException(String message) {
        super(message);
    }
}
