package dev.kindling.device.cpu.matmul;

import org.bytedeco.dnnl.IntMemoryMap;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.reorder;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * oneDNN's primitives for one shape: C = A B, bf16 inputs, fp32 sums and output, without gaps between rows. C is cut into
 * chunks of rows whose size depends on the shape alone, so that the threads that run them do not change a bit; all share
 * one copy of B in the layout that oneDNN prefers.
 */
final class Bf16Product implements AutoCloseable {
    /** The shape, and which inputs are stored transposed. */
    record Shape(int m, int n, int k, boolean transposeA, boolean transposeB) {
        int chunkRows() {
            return Math.min(m, m >= 512 ? 128 : Math.max(32, (m + 3) / 4));
        }

        int chunks() {
            return (m + chunkRows() - 1) / chunkRows();
        }

        int firstRow(int chunk) {
            return chunk * chunkRows();
        }
    }

    /** One run of rows: its primitive (shared by chunks of the same size) and its arguments. */
    private record Chunk(matmul primitive, memory a, memory b, memory c, IntMemoryMap arguments) {}

    private final Shape shape;
    private final Chunk[] chunks;
    private final reorder reorderB;
    private final memory plainB;
    private final memory orderedB;

    Bf16Product(Shape shape, engine cpu) {
        OneDnnLibrary.keepToThisThread();
        this.shape = shape;
        matmul.primitive_desc whole = describe(cpu, shape.chunkRows(), null);
        memory.desc ordered = whole.weights_desc();
        plainB = new memory(plainB(), cpu, new Pointer());
        orderedB = new memory(ordered, cpu);
        reorderB = new reorder(plainB, orderedB);
        matmul full = new matmul(whole);
        chunks = new Chunk[shape.chunks()];
        for (int i = 0; i < chunks.length; i++) {
            int rows = Math.min(shape.chunkRows(), shape.m() - shape.firstRow(i));
            matmul.primitive_desc description = rows == shape.chunkRows() ? whole : describe(cpu, rows, ordered);
            chunks[i] = chunk(cpu, description, rows == shape.chunkRows() ? full : new matmul(description));
        }
    }

    private Chunk chunk(engine cpu, matmul.primitive_desc description, matmul primitive) {
        memory a = new memory(description.src_desc(), cpu, new Pointer());
        memory c = new memory(description.dst_desc(), cpu, new Pointer());
        IntMemoryMap arguments = new IntMemoryMap();
        arguments.put(dnnl.DNNL_ARG_SRC, a);
        arguments.put(dnnl.DNNL_ARG_WEIGHTS, orderedB);
        arguments.put(dnnl.DNNL_ARG_DST, c);
        arguments.put(dnnl.DNNL_ARG_SCRATCHPAD, new memory(description.scratchpad_desc(), cpu));
        return new Chunk(primitive, a, orderedB, c, arguments);
    }

    private memory.desc plainB() {
        long[] dims = {shape.k(), shape.n()};
        long[] strides = shape.transposeB() ? new long[] {1, shape.k()} : new long[] {shape.n(), 1};
        return new memory.desc(dims, memory.data_type.bf16, strides);
    }

    /** With {@code b} null, oneDNN chooses B's layout. */
    private matmul.primitive_desc describe(engine cpu, int rows, memory.desc b) {
        long[] aStrides = shape.transposeA() ? new long[] {1, shape.m()} : new long[] {shape.k(), 1};
        memory.desc a = new memory.desc(new long[] {rows, shape.k()}, memory.data_type.bf16, aStrides);
        memory.desc weights = b != null
                ? b
                : new memory.desc(new long[] {shape.k(), shape.n()}, memory.data_type.bf16, memory.format_tag.any);
        memory.desc c = new memory.desc(new long[] {rows, shape.n()}, memory.data_type.f32, new long[] {shape.n(), 1});
        // The library's own scratchpad belongs to the thread that made the primitive; ours go with the chunk.
        primitive_attr attributes = new primitive_attr();
        attributes.set_scratchpad_mode(dnnl.scratchpad_mode.user);
        return new matmul.primitive_desc(cpu, a, weights, c, attributes, false);
    }

    Shape shape() {
        return shape;
    }

    /** Brings B (bf16, without gaps) into the layout that the chunks read. */
    void prepareB(ShortPointer b, stream queue) {
        OneDnnLibrary.keepToThisThread();
        plainB.set_data_handle(b);
        reorderB.execute(queue, plainB, orderedB);
    }

    /**
     * Computes the rows of one chunk. Different chunks may run at the same time, each with its own stream.
     *
     * @param a where the chunk's first row of A starts; no gaps between stored rows
     * @param c where its first row of C goes; no gaps
     */
    void run(int chunk, ShortPointer a, FloatPointer c, stream queue) {
        OneDnnLibrary.keepToThisThread();
        Chunk one = chunks[chunk];
        one.a().set_data_handle(a);
        one.c().set_data_handle(c);
        one.primitive().execute(queue, one.arguments());
    }

    @Override
    public void close() {
        for (Chunk chunk : chunks) {
            chunk.arguments().close();
            chunk.a().close();
            chunk.c().close();
            chunk.primitive().close();
        }
        reorderB.close();
        plainB.close();
        orderedB.close();
    }
}
