package dev.kindling.storage;

import java.io.EOFException;
import java.io.IOException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.Path;

/** A file that is opened again, at the byte where it was, when reading has a transient fault. */
final class PatientInput extends FSInputStream {
    private final Retry retry;
    private final Path file;
    private final Retry.Operation<FSDataInputStream> opener;
    private FSDataInputStream in; // null after a failure, until it is opened again
    private long position;

    PatientInput(Retry retry, Path file, Retry.Operation<FSDataInputStream> opener) throws IOException {
        this.retry = retry;
        this.file = file;
        this.opener = opener;
        this.in = retry.run("read", file, opener);
    }

    private interface Reading {
        int from(FSDataInputStream in) throws IOException;
    }

    private int reading(Reading reading) throws IOException {
        return retry.run("read", file, () -> {
            try {
                if (in == null) {
                    in = opener.run();
                    in.seek(position);
                }
                return reading.from(in);
            } catch (IOException e) {
                drop(e);
                throw e;
            }
        });
    }

    private void drop(IOException failure) {
        if (in != null) {
            Storage.closeAfter(in, failure);
            in = null;
        }
    }

    @Override
    public synchronized int read() throws IOException {
        int read = reading(FSDataInputStream::read);
        position += read < 0 ? 0 : 1;
        return read;
    }

    @Override
    public synchronized int read(byte[] buffer, int offset, int length) throws IOException {
        int read = reading(open -> open.read(buffer, offset, length));
        position += Math.max(0, read);
        return read;
    }

    @Override
    public synchronized int read(long at, byte[] buffer, int offset, int length) throws IOException {
        return reading(open -> open.read(at, buffer, offset, length));
    }

    @Override
    public synchronized void seek(long to) throws IOException {
        int within = reading(open -> {
            try {
                open.seek(to);
                return 1;
            } catch (EOFException e) { // which elsewhere is a connection's end, and may pass
                return 0;
            }
        });
        if (within == 0) {
            throw new EOFException(file + " ends before byte " + to);
        }
        position = to;
    }

    @Override
    public synchronized long getPos() {
        return position;
    }

    @Override
    public boolean seekToNewSource(long target) {
        return false;
    }

    @Override
    public synchronized int available() throws IOException {
        return in == null ? 0 : in.available();
    }

    @Override
    public synchronized void close() throws IOException {
        if (in != null) {
            in.close();
            in = null;
        }
    }
}
