package dev.kindling.device.cuda;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** The globals of a compiled kernel file with their bytes, read from its ELF file: no GPU is needed. */
final class Cubin {
    private static final int SYMBOL_TABLE = 2;
    private static final int SYMBOL_BYTES = 24;
    private static final int OBJECT = 1;

    private final ByteBuffer file;
    private final Map<String, ByteBuffer> globals = new TreeMap<>();

    Cubin(Path path) throws IOException {
        file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        int sections = file.getShort(0x3c);
        for (int i = 0; i < sections; i++) {
            Section section = section(i);
            if (section.type() == SYMBOL_TABLE) {
                readSymbols(section);
            }
        }
    }

    /** The names of the initialized globals, and what each holds. */
    Map<String, ByteBuffer> globals() {
        return globals;
    }

    private record Section(int type, int offset, int bytes, int link) {}

    private Section section(int index) {
        int at = (int) file.getLong(0x28) + index * file.getShort(0x3a);
        return new Section(
                file.getInt(at + 4), (int) file.getLong(at + 24), (int) file.getLong(at + 32), file.getInt(at + 40));
    }

    private void readSymbols(Section symbols) {
        int names = section(symbols.link()).offset();
        for (int at = symbols.offset(); at < symbols.offset() + symbols.bytes(); at += SYMBOL_BYTES) {
            if ((file.get(at + 4) & 15) == OBJECT) {
                int home = section(Short.toUnsignedInt(file.getShort(at + 6))).offset();
                int value = (int) file.getLong(at + 8);
                globals.put(
                        text(names + file.getInt(at)),
                        file.slice(home + value, (int) file.getLong(at + 16)).order(ByteOrder.LITTLE_ENDIAN));
            }
        }
    }

    private String text(int from) {
        int end = from;
        while (file.get(end) != 0) {
            end++;
        }
        return new String(file.array(), from, end - from, StandardCharsets.US_ASCII);
    }
}
