package dev.kindling.tensor;

/** A device has too little memory for an allocation; the message says what was asked, what is free, what to lower. */
public final class DeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public DeviceMemoryException(String message) {
        super(message);
    }
}
