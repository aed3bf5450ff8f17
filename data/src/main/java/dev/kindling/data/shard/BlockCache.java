package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.InterruptedIOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/**
 * The blocks of shards that were read last, each checked when it was read; one that several ask for at once is read once.
 * Where the folder is of a store, blocks are read by daemon threads, side by side, which end when there is nothing to read.
 * Thread-safe.
 */
final class BlockCache {
    /** Blocks that are held: 16 MiB. */
    private static final int BLOCKS = 512;

    private static final long IDLE_SECONDS = 10;

    private record Key(String shard, long block) {}

    private final Map<Key, CompletableFuture<byte[]>> blocks = new LinkedHashMap<>(BLOCKS, 0.75f, true);
    private final Executor readers;
    private final AtomicLong read = new AtomicLong();

    BlockCache(ShardFolder folder) {
        readers = folder.parallelReads() > 1 ? threads(folder.parallelReads()) : Runnable::run;
    }

    private static Executor threads(int count) {
        ThreadPoolExecutor threads = new ThreadPoolExecutor(
                count, count, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                    Thread thread = new Thread(task, "kindling-shards");
                    thread.setDaemon(true);
                    return thread;
                });
        threads.allowCoreThreadTimeOut(true);
        return threads;
    }

    /** How many blocks have been read so far. */
    long read() {
        return read.get();
    }

    /** Begins to read a block, unless it is here or on its way. */
    CompletableFuture<byte[]> begin(Shard shard, long block) {
        Key key = new Key(shard.info().name(), block);
        CompletableFuture<byte[]> begun = new CompletableFuture<>();
        synchronized (blocks) {
            CompletableFuture<byte[]> there = blocks.get(key);
            if (there != null) {
                return there;
            }
            blocks.put(key, begun);
            evict();
        }
        readers.execute(() -> read(shard, key, begun));
        return begun;
    }

    private void evict() {
        Iterator<CompletableFuture<byte[]>> oldest = blocks.values().iterator();
        while (blocks.size() > BLOCKS) {
            oldest.next();
            oldest.remove();
        }
    }

    private void read(Shard shard, Key key, CompletableFuture<byte[]> block) {
        try {
            byte[] bytes = shard.block(key.block());
            read.incrementAndGet();
            block.complete(bytes);
        } catch (Throwable failure) { // an Error, too, belongs to whoever waits
            synchronized (blocks) {
                blocks.remove(key, block);
            }
            block.completeExceptionally(failure);
        }
    }

    /** What {@code reading} makes of each shard, in their order; throws as it does. */
    <T> List<T> all(List<Shard> shards, Function<Shard, T> reading) {
        List<CompletableFuture<T>> begun = shards.stream()
                .map(shard -> CompletableFuture.supplyAsync(() -> reading.apply(shard), readers))
                .toList();
        return begun.stream().map(BlockCache::await).toList();
    }

    /**
     * What a block holds that was begun.
     *
     * @throws DataException as {@link Shard#block}
     * @throws StoreException as {@link Shard#block}
     */
    static <T> T await(CompletableFuture<T> block) {
        try {
            return block.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StoreException(
                    "interrupted while a block of a shard was read; the work is being stopped",
                    new InterruptedIOException());
        } catch (ExecutionException e) {
            throw anew(e.getCause());
        }
    }

    /** Each of those who wait gets an exception of its own. */
    private static RuntimeException anew(Throwable failure) {
        if (failure instanceof StoreException fault) {
            return new StoreException(fault.getMessage(), fault.getCause());
        }
        if (failure instanceof Error error) { // such as a full heap, which is told apart by its type
            throw error;
        }
        return failure instanceof DataException damage
                ? new DataException(damage.getMessage(), damage)
                : new IllegalStateException(
                        "a block of a shard was not read: " + DataException.reason(failure), failure);
    }
}
