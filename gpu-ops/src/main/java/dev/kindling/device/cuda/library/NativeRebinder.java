package dev.kindling.device.cuda.library;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/**
 * Makes a shared object ask for another version of a library: JCuda 12.6's natives need libcublas.so.12, a CUDA 13 host
 * has libcublas.so.13. Two edits to a copy: the name in {@code .dynstr} (which the needed entry and the version names
 * share), and its hash in {@code .gnu.version_r}. ELF, 64 bits, little endian.
 */
final class NativeRebinder {
    private static final int SECTION_VERNEED = 0x6ffffffe;
    private static final int SECTION_STRTAB = 3;

    private final byte[] image;
    private final ByteBuffer elf;

    private NativeRebinder(byte[] image) {
        this.image = image;
        this.elf = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * A copy of {@code image} that needs {@code to} wherever it needed {@code from}.
     *
     * @throws CudaException if the names differ in length, or {@code image} does not need {@code from}
     */
    static byte[] rebind(byte[] image, String from, String to) {
        if (from.length() != to.length()) {
            throw new CudaException(
                    String.format(Locale.ROOT, "cannot rebind %s to %s: the names differ in length", from, to));
        }
        return new NativeRebinder(image.clone()).run(from, to);
    }

    /** The hash of System V ABI, as .gnu.version_r stores it. */
    static int hash(String name) {
        int h = 0;
        for (byte b : name.getBytes(StandardCharsets.US_ASCII)) {
            h = (h << 4) + (b & 0xff);
            int high = h & 0xf0000000;
            h ^= high >>> 24;
            h &= ~high;
        }
        return h;
    }

    private byte[] run(String from, String to) {
        if (image.length < 64 || elf.getInt(0) != 0x464c457f || image[4] != 2 || image[5] != 1) {
            throw new CudaException(
                    String.format(Locale.ROOT, "cannot rebind %s: not a little-endian ELF of 64 bits", from));
        }
        int versions = section(SECTION_VERNEED);
        int strings = versions < 0 ? -1 : header(elf.getInt(versions + 40));
        if (strings < 0 || elf.getInt(strings + 4) != SECTION_STRTAB) {
            throw new CudaException(
                    String.format(Locale.ROOT, "cannot rebind %s: the library has no version section", from));
        }
        int start = Math.toIntExact(elf.getLong(strings + 24));
        int replaced = replace(start, start + Math.toIntExact(elf.getLong(strings + 32)), from, to);
        if (replaced == 0) {
            throw new CudaException(String.format(Locale.ROOT, "cannot rebind %s: the library does not need it", from));
        }
        rehash(Math.toIntExact(elf.getLong(versions + 24)), elf.getInt(versions + 44), start, to);
        return image;
    }

    /** Offset of the header of section {@code index}. */
    private int header(int index) {
        return Math.toIntExact(elf.getLong(40)) + index * elf.getShort(58);
    }

    private int section(int type) {
        for (int i = 0; i < elf.getShort(60); i++) {
            if (elf.getInt(header(i) + 4) == type) {
                return header(i);
            }
        }
        return -1;
    }

    /** Exchanges whole strings between {@code start} and {@code end}; returns how many. */
    private int replace(int start, int end, String from, String to) {
        byte[] old = ("\0" + from + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] name = to.getBytes(StandardCharsets.US_ASCII);
        int count = 0;
        for (int i = start; i + old.length <= end; i++) {
            if (Arrays.equals(image, i, i + old.length, old, 0, old.length)) {
                System.arraycopy(name, 0, image, i + 1, name.length);
                count++;
            }
        }
        return count;
    }

    private void rehash(int section, int files, int strings, String to) {
        int need = section;
        for (int f = 0; f < files; f++) {
            int aux = need + elf.getInt(need + 8);
            for (int a = 0; a < elf.getShort(need + 2); a++) {
                if (string(strings + elf.getInt(aux + 8)).equals(to)) {
                    elf.putInt(aux, hash(to));
                }
                aux += elf.getInt(aux + 12);
            }
            need += elf.getInt(need + 12);
        }
    }

    private String string(int offset) {
        int end = offset;
        while (image[end] != 0) {
            end++;
        }
        return new String(image, offset, end - offset, StandardCharsets.US_ASCII);
    }
}
