package dev.kindling.device.cpu.matmul;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Writes the sources of VectorTile4, 8 and 12, which differ only in how many rows are unrolled. They are checked in, since
 * readers, debuggers and stack traces need them; {@link VectorTileSourceTest} compares. Change them here, then run
 * {@link #main}.
 *
 * @param rows of C in a tile, at most 16
 * @param access of the class and its members: "public " or nothing
 * @param purpose the first paragraph of the class's Javadoc
 */
record VectorTileSource(int rows, String access, String purpose) {
    static final List<VectorTileSource> ALL = List.of(
            new VectorTileSource(4, "public ", """
                     * The innermost loop of {@link VectorMatmul}: a tile of four rows by two vectors of columns, for CPUs with 16 vector
                     * registers (AVX2, SSE). The compiler loads all of a step's factors before it multiplies, which takes 6 registers beside
                     * the 8 sums; with six rows it ran out of them, kept sums in memory and halved the speed.
                    """),
            new VectorTileSource(8, "public ", """
                     * {@link VectorTile12} with eight rows, for the short products of attention.
                    """),
            new VectorTileSource(12, "", """
                     * The innermost loop of {@link VectorMatmul}: a tile of twelve rows by two vectors of columns. 24 sums live in registers;
                     * for CPUs with 32 vector registers (AVX-512, NEON).
                    """));

    /** Writes all three; to be run from a module's folder. */
    public static void main(String[] arguments) throws IOException {
        for (VectorTileSource tile : ALL) {
            Files.writeString(tile.file(), tile.text());
        }
    }

    Path file() {
        return Path.of("../gpu-ops/src/main/java/dev/kindling/device/cpu/matmul", name() + ".java");
    }

    String checkedIn() {
        try {
            return Files.readString(file());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String text() {
        return """
                package dev.kindling.device.cpu.matmul;

                import static dev.kindling.device.cpu.matmul.VectorPacking.PITCH;

                import jdk.incubator.vector.FloatVector;
                import jdk.incubator.vector.VectorSpecies;

                /**
                %s *
                 * <p>C = alpha A B + addend, where row i of the addend starts at {@code addAt + i * addStride}: C itself to
                 * accumulate, a bias or zeros with stride 0. That spares a flag and a mask; with either, the compiler has been seen to
                 * spill every sum and fall to a tenth of the speed; so it does where a helper method takes vectors, hence the repetition.
                 * A's rows lie at constant distances, so that one register addresses them all. B is a packed panel:
                 * {@code b[bAt + p * COLUMNS + j]}.
                 *
                 * <p>Written by VectorTileSource, beside the tests.
                 */
                %sfinal class %s {
                    %sstatic final int ROWS = %d;
                    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
                    private static final int COLUMNS = 2 * LANES.length();

                    private %s() {}

                    /** A is packed: element (i, p) is {@code a[aAt + p * ROWS + i]}. */
                %s
                    /** A is in rows: element (i, p) is {@code a[aAt + i * PITCH + p]}. */
                %s}
                """.formatted(
                        purpose,
                        access,
                        name(),
                        access,
                        rows,
                        name(),
                        method("packed", row -> "aAt + p * ROWS" + plus(row, row + "")),
                        method("pitched", row -> "aAt + p" + plus(row, row == 1 ? "PITCH" : row + " * PITCH")));
    }

    private String name() {
        return "VectorTile" + rows;
    }

    private static String plus(int row, String offset) {
        return row == 0 ? "" : " + " + offset;
    }

    /** @param elementAt the index in a of a row's element p */
    private String method(String name, IntFunction<String> elementAt) {
        return """
                    %sstatic void %s(
                            float[] a,
                            int aAt,
                            float[] b,
                            int bAt,
                            int k,
                            float alpha,
                            float[] add,
                            int addAt,
                            int addStride,
                            float[] c,
                            int cAt,
                            int cStride) {
                %s        for (int p = 0; p < k; p++) {
                            FloatVector b0 = FloatVector.fromArray(LANES, b, bAt + p * COLUMNS);
                            FloatVector b1 = FloatVector.fromArray(LANES, b, bAt + p * COLUMNS + LANES.length());
                %s        }
                        FloatVector scale = FloatVector.broadcast(LANES, alpha);
                        int from = addAt;
                        int to = cAt;
                %s    }
                """.formatted(
                        access,
                        name,
                        eachRow("", VectorTileSource::zeros),
                        eachRow("", row -> products(row, elementAt.apply(row))),
                        eachRow("""
                                        from += addStride;
                                        to += cStride;
                                """, VectorTileSource::results));
    }

    private String eachRow(String between, IntFunction<String> lines) {
        return IntStream.range(0, rows).mapToObj(lines).collect(Collectors.joining(between));
    }

    private static String zeros(int row) {
        return """
                        FloatVector c#0 = FloatVector.zero(LANES);
                        FloatVector c#1 = FloatVector.zero(LANES);
                """.replace("#", digit(row));
    }

    private static String products(int row, String element) {
        return """
                            FloatVector x# = FloatVector.broadcast(LANES, a[ELEMENT]);
                            c#0 = x#.fma(b0, c#0);
                            c#1 = x#.fma(b1, c#1);
                """.replace("#", digit(row)).replace("ELEMENT", element);
    }

    private static String results(int row) {
        return """
                        c#0.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
                        c#1.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
                """.replace("#", digit(row));
    }

    private static String digit(int row) {
        return Integer.toHexString(row);
    }
}
