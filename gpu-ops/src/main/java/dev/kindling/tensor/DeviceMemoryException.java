package dev.kindling.tensor;

/**
 * A device has too little memory for an allocation. The message says how much was asked for, how much is free, and
 * which setting to lower.
 */
public final class DeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String shortage;
    private final long missingBytes;

    public DeviceMemoryException(String message) {
        super(message);
        shortage = message;
        missingBytes = 0;
    }

    /**
     * @param shortage what was asked for, and what there is
     * @param remedy what to do about it, for whoever knows no more than that
     * @param missingBytes how much more was needed; 0 if that is not known
     */
    public DeviceMemoryException(String shortage, String remedy, long missingBytes) {
        super(shortage + "; " + remedy);
        this.shortage = shortage;
        this.missingBytes = missingBytes;
    }

    /** The message without what to do. */
    public String shortage() {
        return shortage;
    }

    /** How much more was needed; 0 if that is not known. */
    public long missingBytes() {
        return missingBytes;
    }
}
