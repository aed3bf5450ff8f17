package dev.kindling.device.cuda.nccl;

import com.google.errorprone.annotations.FormatMethod;
import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import dev.kindling.device.cuda.library.LibrarySearch;
import dev.kindling.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * NVIDIA's collectives, libnccl.so.2, loaded once a process from where {@link LibrarySearch} looks, else by the system's
 * loader. The one checked door to it; thread-safe.
 */
final class NcclLibrary {
    private static final String NAME = "libnccl.so.2";
    /** 2.14, the first that never needs its peers to break a communicator off. */
    private static final int OLDEST = 21400;

    private static final int SUCCESS = 0;
    private static final int IN_PROGRESS = 7;
    private static final int SUM = 0;
    private static final int MAXIMUM = 2;

    private final NativeLibrary library;
    private final int version;

    private NcclLibrary(NativeLibrary library) {
        this.library = library;
        IntByReference number = new IntByReference();
        check(call("ncclGetVersion", number), "tell its version");
        version = number.getValue();
    }

    /** ncclUniqueId: 128 bytes that name a group of ranks; NCCL takes it by value. */
    @Structure.FieldOrder("internal")
    public static final class UniqueId extends Structure implements Structure.ByValue {
        static final int BYTES = 128;

        public byte[] internal = new byte[BYTES];

        static UniqueId of(byte[] bytes) {
            if (bytes.length != BYTES) {
                throw new NcclException(
                        String.format(Locale.ROOT, "NCCL's unique id has %d bytes, and %d came", BYTES, bytes.length));
            }
            UniqueId id = new UniqueId();
            id.internal = bytes.clone();
            return id;
        }
    }

    /** Why {@link #load} would throw, or empty. */
    static Optional<String> whyNot() {
        return Optional.ofNullable(LoadedNccl.REASON);
    }

    /** @throws NcclException where {@link #whyNot} gives a reason */
    static NcclLibrary load() {
        if (LoadedNccl.LIBRARY == null) {
            throw new NcclException(LoadedNccl.REASON);
        }
        return LoadedNccl.LIBRARY;
    }

    private static final class LoadedNccl {
        static final NcclLibrary LIBRARY;
        static final String REASON;

        static {
            NcclLibrary library = null;
            String reason = null;
            try {
                library = open(new LibrarySearch(System.getenv(), Path.of("/")));
            } catch (NcclException e) {
                reason = e.getMessage();
            }
            LIBRARY = library;
            REASON = reason;
        }
    }

    static NcclLibrary open(LibrarySearch search) {
        Optional<Path> file = search.find(NAME);
        String path = file.map(Path::toString).orElse(NAME);
        NativeLibrary library;
        try {
            library = NativeLibrary.getInstance(path);
        } catch (UnsatisfiedLinkError e) {
            throw new NcclException(
                    file.isPresent()
                            ? String.format(
                                    Locale.ROOT,
                                    "%s does not load: %s",
                                    path,
                                    e.getMessage().replace('\n', ' '))
                            : String.format(
                                    Locale.ROOT,
                                    "%s was found neither by the system's loader nor in %s; install NCCL, or point LD_LIBRARY_PATH at it",
                                    NAME,
                                    search.folders()));
        }
        NcclLibrary found = new NcclLibrary(library);
        if (found.version < OLDEST) {
            throw new NcclException(String.format(
                    Locale.ROOT,
                    "NCCL %s at %s is too old, Kindling needs %s or newer; update it",
                    found.version(),
                    path,
                    text(OLDEST)));
        }
        return found;
    }

    /** For people, e.g. {@code 2.28.9}. */
    String version() {
        return text(version);
    }

    private static String text(int version) {
        return version / 10000 + "." + version / 100 % 100 + "." + version % 100;
    }

    /** A new group's id, {@link UniqueId#BYTES} bytes. */
    byte[] uniqueId() {
        Memory id = new Memory(UniqueId.BYTES);
        check(call("ncclGetUniqueId", id), "make a unique id");
        return id.getByteArray(0, UniqueId.BYTES);
    }

    /** Joins the group for the GPU whose context is current; returns when all ranks have called it. */
    Pointer join(byte[] id, int rank, int worldSize) {
        PointerByReference communicator = new PointerByReference();
        check(
                call("ncclCommInitRank", communicator, worldSize, UniqueId.of(id), rank),
                "join rank %d to a group of %d",
                rank,
                worldSize);
        return communicator.getValue();
    }

    /** A collective's communicator, and the stream that it is enqueued on. */
    record Lane(Pointer communicator, long stream) {}

    /** to[i] = sum over ranks of from[i]; may be in place. */
    void allReduce(Lane lane, long from, long to, long count, DType type) {
        allReduce(lane, SUM, from, to, count, type);
    }

    /** x[i] = the largest of the ranks' x[i]. */
    void maximum(Lane lane, long x, long count, DType type) {
        allReduce(lane, MAXIMUM, x, x, count, type);
    }

    private void allReduce(Lane lane, int operation, long from, long to, long count, DType type) {
        check(
                call(
                        "ncclAllReduce",
                        new Pointer(from),
                        new Pointer(to),
                        count,
                        code(type),
                        operation,
                        lane.communicator,
                        new Pointer(lane.stream)),
                "reduce %,d values of %s over the ranks",
                count,
                type);
    }

    /** to (count) = this rank's piece of the sum over ranks of from (ranks x count). */
    void reduceScatter(Lane lane, long from, long to, long count, DType type) {
        check(
                call(
                        "ncclReduceScatter",
                        new Pointer(from),
                        new Pointer(to),
                        count,
                        code(type),
                        SUM,
                        lane.communicator,
                        new Pointer(lane.stream)),
                "sum and scatter %,d values of %s a rank",
                count,
                type);
    }

    /** to (ranks x count) = every rank's from (count), by rank. */
    void allGather(Lane lane, long from, long to, long count, DType type) {
        check(
                call(
                        "ncclAllGather",
                        new Pointer(from),
                        new Pointer(to),
                        count,
                        code(type),
                        lane.communicator,
                        new Pointer(lane.stream)),
                "gather %,d values of %s from each rank",
                count,
                type);
    }

    /** One way of a pairwise exchange. */
    record Transfer(long address, long count, int peer) {}

    /** Sends and receives with other ranks at once; the peers' calls must fit. */
    void exchange(Lane lane, DType type, List<Transfer> sends, List<Transfer> receives) {
        check(call("ncclGroupStart"), "begin a group of transfers");
        for (Transfer send : sends) {
            transfer("ncclSend", lane, type, send);
        }
        for (Transfer receive : receives) {
            transfer("ncclRecv", lane, type, receive);
        }
        check(call("ncclGroupEnd"), "exchange %d pieces of %s", sends.size() + receives.size(), type);
    }

    private void transfer(String function, Lane lane, DType type, Transfer transfer) {
        check(
                call(
                        function,
                        new Pointer(transfer.address),
                        transfer.count,
                        code(type),
                        transfer.peer,
                        lane.communicator,
                        new Pointer(lane.stream)),
                "send or receive %,d values of %s with rank %d",
                transfer.count,
                type,
                transfer.peer);
    }

    /** What NCCL's own threads have met since, a connection that broke for example. */
    Optional<String> failure(Pointer communicator) {
        IntByReference error = new IntByReference();
        check(call("ncclCommGetAsyncError", communicator, error), "tell how its work goes");
        int code = error.getValue();
        return code == SUCCESS || code == IN_PROGRESS ? Optional.empty() : Optional.of(describe(code));
    }

    /** Breaks off what is enqueued and frees the communicator; waits until every graph that captured it is gone. */
    void abort(Pointer communicator) {
        check(call("ncclCommAbort", communicator), "break off its work");
    }

    private int call(String function, Object... arguments) {
        return library.getFunction(function).invokeInt(arguments);
    }

    @FormatMethod
    private void check(int result, String what, Object... arguments) {
        if (result != SUCCESS) {
            throw new NcclException(String.format(
                    Locale.ROOT,
                    "NCCL could not %s: %s; NCCL_DEBUG=WARN in the executors' environment makes it tell more",
                    String.format(Locale.ROOT, what, arguments),
                    describe(result)));
        }
    }

    private String describe(int code) {
        String last = library.getFunction("ncclGetLastError").invokeString(new Object[] {null}, false);
        String name = library.getFunction("ncclGetErrorString").invokeString(new Object[] {code}, false);
        return String.format(
                Locale.ROOT, "%s (%d)%s", name, code, last == null || last.isBlank() ? "" : ": " + last.strip());
    }

    private static final Map<DType, Integer> CODES = Map.of(DType.I32, 2, DType.F16, 6, DType.F32, 7, DType.BF16, 9);

    private static int code(DType type) {
        Integer code = CODES.get(type);
        if (code == null) {
            throw new IllegalArgumentException("NCCL has no sums of " + type);
        }
        return code;
    }
}
