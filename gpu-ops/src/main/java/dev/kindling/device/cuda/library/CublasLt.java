package dev.kindling.device.cuda.library;

import com.google.errorprone.annotations.FormatMethod;
import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * cublasLt's matrix products, through JNA: D = op(A) op(B) + beta D, where all matrices lie by columns, as cublasLt sees
 * them, and op may transpose. A handle belongs to the GPU that is current when it is made. Used by one thread at a time.
 */
public final class CublasLt implements AutoCloseable {
    private static final int COMPUTE_F32 = 68;
    private static final int TYPE_F32 = 0;
    private static final int TRANSPOSED = 1;
    private static final int AS_IT_IS = 0;
    private static final int EPILOGUE_BIAS = 4;
    // cublasLtMatmulDescAttributes_t
    private static final int TRANSPOSE_A = 3;
    private static final int TRANSPOSE_B = 4;
    private static final int EPILOGUE = 7;
    private static final int BIAS_POINTER = 8;
    private static final int A_SCALE_POINTER = 17;
    private static final int B_SCALE_POINTER = 18;
    private static final int FAST_ACCUMULATION = 25;
    private static final int BIAS_TYPE = 26;
    // cublasLtMatmulPreferenceAttributes_t; the alignments of A, B, C and D follow each other
    private static final int WORKSPACE_BYTES = 1;
    private static final int FIRST_ALIGNMENT = 5;
    private static final int ALIGNMENT = 16;
    // cublasLtMatmulAlgoConfigAttributes_t
    private static final int ALGORITHM_ID = 0;
    private static final int SPLITS = 2;
    private static final int CUSTOM_OPTION = 5;
    /** The size of cublasLtMatmulHeuristicResult_t, which begins with the algorithm; how many are asked for. */
    private static final int RESULT_BYTES = 96;

    private static final int CANDIDATES = 8;
    /** The algorithm of products of 16 and 8 bits on compute capability 9.0, in all its variants. */
    private static final int HOPPER = 66;
    /** The custom options of HOPPER's variants that are preferred: those of the first group before the others. */
    private static final List<Set<Integer>> PREFERRED = List.of(Set.of(1, 3), Set.of(2));

    private static final List<Set<Integer>> PREFERRED_IN_FP8 = List.of(Set.of(1, 2, 3));

    private static final Memory ONE = memory(Float.BYTES);
    private static final Memory ZERO = memory(Float.BYTES);

    static {
        ONE.setFloat(0, 1);
    }

    private final NativeLibrary library;
    private final Pointer handle;
    private final List<Runnable> frees = new ArrayList<>();

    public CublasLt() {
        library = CudaLibraries.load().cublasLt();
        handle = create("cublasLtCreate");
    }

    private static Memory memory(int bytes) {
        Memory memory = new Memory(bytes);
        memory.clear();
        return memory;
    }

    private static Memory of(int value) {
        Memory memory = memory(Integer.BYTES);
        memory.setInt(0, value);
        return memory;
    }

    private static Memory of(long value) {
        Memory memory = memory(Long.BYTES);
        memory.setLong(0, value);
        return memory;
    }

    /**
     * A kind of operand.
     *
     * @param type cudaDataType
     * @param transposed whether the product takes the transpose of the matrix that lies in memory
     * @param scaled whether it is multiplied by a factor, as FP8 is
     * @param stride values from one column in memory to the next; 0: as many as a column has
     */
    public record Operand(int type, boolean transposed, boolean scaled, long stride) {}

    /**
     * A kind of product.
     *
     * @param m rows of D, and of op(A)
     * @param n columns of D, and of op(B)
     * @param k columns of op(A), and rows of op(B)
     * @param typeD cudaDataType of D
     * @param accumulate whether beta is 1 rather than 0
     * @param biased whether a vector (m) of the type of D is added
     * @param fast whether sums may stay in the tensor cores' accumulators
     */
    public record Problem(
            int m, int n, int k, Operand a, Operand b, int typeD, boolean accumulate, boolean biased, boolean fast) {}

    /**
     * Where the operands of one product are on the device, at multiples of 16 bytes; scales and bias are 0 where the product
     * has none.
     */
    public record Addresses(long a, long scaleA, long b, long scaleB, long d, long bias) {}

    /**
     * A problem's descriptors and an algorithm for it, which depends on the problem, the library and the kind of GPU alone.
     *
     * <p>It is the one that cublasLt's heuristic ranks first, but for products of half precision, and of FP8 with fast sums, on
     * Hopper: there, if that does not split the sum, the first of the eight that does not, with a custom option of 1 or 3, or
     * else 2 (FP8: of 1 to 3). On an H200 at its power limit these, of smaller tiles, take together 2 to 8 percent less in a step
     * of GPT-2's larger sizes; in FP8 7 to 18 percent less for forward products of 124M, and up to 22 more for gradients.
     */
    public final class Plan {
        private final Problem problem;
        private final Pointer operation;
        private final Pointer a;
        private final Pointer b;
        private final Pointer d;
        private Memory result;

        private Plan(Problem problem, long workspaceBytes) {
            this.problem = problem;
            operation = create("cublasLtMatmulDescCreate", COMPUTE_F32, TYPE_F32);
            describe(TRANSPOSE_A, of(problem.a().transposed() ? TRANSPOSED : AS_IT_IS));
            describe(TRANSPOSE_B, of(problem.b().transposed() ? TRANSPOSED : AS_IT_IS));
            Memory fast = memory(Byte.BYTES);
            fast.setByte(0, (byte) (problem.fast() ? 1 : 0));
            describe(FAST_ACCUMULATION, fast);
            if (problem.biased()) {
                describe(EPILOGUE, of(EPILOGUE_BIAS));
                describe(BIAS_TYPE, of(problem.typeD()));
            }
            a = layout(problem.a(), problem.m(), problem.k());
            b = layout(problem.b(), problem.k(), problem.n());
            d = layout(problem.typeD(), problem.m(), problem.n(), 0);
            frees.add(() -> call("cublasLtMatmulDescDestroy", operation));
            choose(workspaceBytes);
        }

        private Pointer layout(Operand operand, long rows, long columns) {
            return operand.transposed()
                    ? layout(operand.type(), columns, rows, operand.stride())
                    : layout(operand.type(), rows, columns, operand.stride());
        }

        private Pointer layout(int type, long rows, long columns, long stride) {
            Pointer layout = create("cublasLtMatrixLayoutCreate", type, rows, columns, stride == 0 ? rows : stride);
            frees.add(() -> call("cublasLtMatrixLayoutDestroy", layout));
            return layout;
        }

        private void choose(long workspaceBytes) {
            // Any aligned addresses: the heuristic asks whether there are scales, not where.
            scale(ALIGNMENT, ALIGNMENT);
            Pointer preference = create("cublasLtMatmulPreferenceCreate");
            try {
                set("cublasLtMatmulPreferenceSetAttribute", preference, WORKSPACE_BYTES, of(workspaceBytes));
                for (int i = 0; i < 4; i++) {
                    set("cublasLtMatmulPreferenceSetAttribute", preference, FIRST_ALIGNMENT + i, of(ALIGNMENT));
                }
                IntByReference found = new IntByReference();
                Memory results = memory(CANDIDATES * RESULT_BYTES);
                int status = call(
                        "cublasLtMatmulAlgoGetHeuristic",
                        handle,
                        operation,
                        a,
                        b,
                        d,
                        d,
                        preference,
                        CANDIDATES,
                        results,
                        found);
                check(status, "find an algorithm for %s", problem);
                if (found.getValue() == 0) {
                    throw new CudaException("cublasLt has no algorithm for " + problem);
                }
                int chosen = preferred(results, found.getValue());
                result = memory(RESULT_BYTES);
                result.write(0, results.getByteArray((long) chosen * RESULT_BYTES, RESULT_BYTES), 0, RESULT_BYTES);
            } finally {
                call("cublasLtMatmulPreferenceDestroy", preference);
            }
        }

        private int preferred(Memory results, int found) {
            boolean fp8 = problem.a().scaled();
            if ((fp8 && !problem.fast()) || number(results, 0, SPLITS) > 1) {
                return 0;
            }
            for (Set<Integer> options : fp8 ? PREFERRED_IN_FP8 : PREFERRED) {
                for (int i = 0; i < found; i++) {
                    if (number(results, i, ALGORITHM_ID) == HOPPER
                            && number(results, i, SPLITS) <= 1
                            && options.contains(number(results, i, CUSTOM_OPTION))) {
                        return i;
                    }
                }
            }
            return 0;
        }

        private int number(Memory results, int result, int attribute) {
            Memory value = memory(Integer.BYTES);
            int status = call(
                    "cublasLtMatmulAlgoConfigGetAttribute",
                    results.share((long) result * RESULT_BYTES),
                    attribute,
                    value,
                    (long) Integer.BYTES,
                    memory(Long.BYTES));
            check(status, "read attribute %d of an algorithm for %s", attribute, problem);
            return value.getInt(0);
        }

        private void scale(long scaleA, long scaleB) {
            if (problem.a().scaled()) {
                describe(A_SCALE_POINTER, of(scaleA));
            }
            if (problem.b().scaled()) {
                describe(B_SCALE_POINTER, of(scaleB));
            }
        }

        private void describe(int attribute, Memory value) {
            set("cublasLtMatmulDescSetAttribute", operation, attribute, value);
        }

        /** Enqueues the product. */
        public void run(Addresses at, long workspace, long workspaceBytes, long stream) {
            scale(at.scaleA(), at.scaleB());
            if (problem.biased()) {
                describe(BIAS_POINTER, of(at.bias()));
            }
            int status = call(
                    "cublasLtMatmul",
                    handle,
                    operation,
                    ONE,
                    at.a(),
                    a,
                    at.b(),
                    b,
                    problem.accumulate() ? ONE : ZERO,
                    at.d(),
                    d,
                    at.d(),
                    d,
                    result,
                    workspace,
                    workspaceBytes,
                    stream);
            check(status, "multiply %s", problem);
        }
    }

    /** A plan that lives as long as this does. */
    public Plan plan(Problem problem, long workspaceBytes) {
        return new Plan(problem, workspaceBytes);
    }

    private void set(String function, Pointer object, int attribute, Memory value) {
        check(call(function, object, attribute, value, value.size()), "set attribute %d of %s", attribute, function);
    }

    private Pointer create(String function, Object... arguments) {
        PointerByReference made = new PointerByReference();
        Object[] all = new Object[arguments.length + 1];
        all[0] = made;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        check(call(function, all), "%s", function);
        return made.getValue();
    }

    private int call(String function, Object... arguments) {
        return library.getFunction(function).invokeInt(arguments);
    }

    @FormatMethod
    private static void check(int status, String what, Object... arguments) {
        CudaCall.checkCublas(status, what, arguments);
    }

    @Override
    public void close() {
        frees.forEach(Runnable::run);
        call("cublasLtDestroy", handle);
    }
}
