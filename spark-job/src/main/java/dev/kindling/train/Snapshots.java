package dev.kindling.train;

import dev.kindling.device.Device;
import dev.kindling.device.TensorReader;
import dev.kindling.exchange.ShardedState;
import dev.kindling.model.DeviceFloats;
import dev.kindling.model.FlatTarget;
import dev.kindling.model.FlatValues;
import dev.kindling.model.HostRoom;
import dev.kindling.model.Snapshot;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Copies the state between two steps, so that training goes on while it is written: on the device, where that has memory
 * for a second set of weights and moments, which takes milliseconds; else in the host's memory. Where neither has room,
 * training waits until the state itself is written. Never on the heap. Used by the training thread.
 */
final class Snapshots implements AutoCloseable {
    /** Device memory that stays free for what is made later: samples, captured evaluations. */
    private static final long DEVICE_MARGIN = 2L << 30;

    /**
     * A snapshot for a checkpoint.
     *
     * @param where it lies
     */
    record Taken(Snapshot snapshot, Place where) {}

    /** Where a snapshot lies. */
    enum Place {
        /** A copy on the device, until the next is taken. */
        DEVICE,
        /** A copy in the host's memory, for its holder to close. */
        HOST,
        /** The state itself, which the next step changes. */
        STATE
    }

    private final Replica replica;
    private final HostRoom room;
    private final Consumer<String> notices;
    private final Device device;
    private final long count;
    private TensorReader reader;
    private Snapshot onDevice;
    private Arena copies;
    private long copiesBytes;
    private long peakBefore;
    private boolean decided;
    private boolean told;

    /** @param notices told the user when training has to wait for its checkpoints */
    Snapshots(Replica replica, HostRoom room, Consumer<String> notices) {
        this.replica = replica;
        this.room = room;
        this.notices = notices;
        device = replica.device();
        count = replica.parameters().count();
    }

    /** The state now; where it is sharded, all ranks call this together and rank 0 gets it. Empty on a rank that takes none. */
    Optional<Taken> take(boolean root, boolean everywhere) {
        reader = reader == null ? device.reader() : reader;
        Optional<Taken> taken = root || (everywhere && !replica.sharded()) ? place(root) : Optional.empty();
        if (replica.sharded() && !replica.rootSays(taken.isPresent())) {
            return readFromTheRanks(root);
        }
        try {
            if (replica.sharded()
                    || taken.filter(it -> it.where() != Place.STATE).isPresent()) {
                replica.collect(taken.map(it ->
                        it.snapshot().all().stream().map(FlatTarget.class::cast).toList()));
            }
            reader.follow();
            return taken;
        } catch (RuntimeException | Error e) {
            taken.ifPresent(it -> it.snapshot().close());
            throw e;
        }
    }

    private Optional<Taken> place(boolean root) {
        if (onDevice()) {
            return Optional.of(new Taken(onDevice, Place.DEVICE));
        }
        Optional<String> whyNotOnHost = room.whyNot(Snapshot.WEIGHT_BYTES * count);
        if (whyNotOnHost.isEmpty()) {
            return Optional.of(new Taken(Snapshot.onHost(count), Place.HOST));
        }
        if (!root) {
            return Optional.empty();
        }
        if (!told) {
            told = true;
            notices.accept("training waits while a checkpoint is written, as there is no room for a copy: "
                    + whyNotOnHost.get()
                    + "; give it more (spark.executor.memoryOverhead, or a larger host), or raise checkpoint.interval");
        }
        if (replica.sharded()) {
            return Optional.empty();
        }
        return Optional.of(new Taken(replica.model().snapshot(reader), Place.STATE));
    }

    /** What is sharded is read piece by piece while rank 0 writes it; the other ranks return when it has. */
    private Optional<Taken> readFromTheRanks(boolean root) {
        reader.follow();
        ShardedState state = replica.shardedState(reader);
        if (!root) {
            state.serve();
            return Optional.empty();
        }
        List<FlatValues> values = state.values();
        return Optional.of(new Taken(new Snapshot(values.get(0), values.get(1), values.get(2)), Place.STATE));
    }

    /** Whether there is a copy on the device; decided once, when all that a step needs is allocated. */
    private boolean onDevice() {
        if (!decided) {
            decided = true;
            long left = device.memory().free() - Snapshot.WEIGHT_BYTES * count;
            if (device.kind() == Device.Kind.CUDA && left > DEVICE_MARGIN) { // a CPU's memory is the heap
                peakBefore = device.peakBytes();
                copiesBytes = Snapshot.WEIGHT_BYTES * count;
                copies = device.arena("checkpoint");
                onDevice = new Snapshot(copy("weights"), copy("first moments"), copy("second moments"));
            }
        }
        return onDevice != null;
    }

    private DeviceFloats copy(String name) {
        return floats(copies.allocate(name, DType.F32, count));
    }

    private DeviceFloats floats(Tensor tensor) {
        return new DeviceFloats(device, tensor, reader);
    }

    /** The most bytes of the device that training took, without the copy for checkpoints. */
    long peakBytes() {
        return Math.max(peakBefore, device.peakBytes() - copiesBytes);
    }

    @Override
    public void close() {
        if (reader != null) {
            reader.close();
        }
        if (copies != null) {
            copies.close();
        }
    }
}
