package dev.kindling.nn.parameter;

import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * All weights of a {@link Gpt} in one flat F32 buffer and all gradients in another (see {@link GradientBuffer}), so that
 * clip, AdamW, allreduce and checkpoint are each one pass. Where activations are half precision there is a third: the working copy, which forward
 * and backward read and AdamW writes; the F32 weights are then only those of this rank's {@link OptimizerShard}.
 *
 * <p>Names and layouts are those of Hugging Face's GPT-2: linear weights are (in, out). Weights lie in the order in
 * which backward completes their gradients, so that finished gradients are a growing prefix, any part of which can be
 * sent: the matrices of the last block first, the embeddings after the first block's, then the weights that do not
 * decay. Zeros pad the token table to the padded vocabulary, and buckets where shards must be of equal length.
 */
public final class Parameters {
    /** Where one weight lies in the flat buffers. */
    public record Entry(String name, Shape shape, long offset, boolean decays) {}

    /** A range of the flat buffers. */
    public record Range(long offset, long length) {
        public long end() {
            return offset + length;
        }

        /** The intersection; of length 0, at the start of this range, if there is none. */
        public Range intersect(Range other) {
            long from = Math.max(offset, other.offset);
            long to = Math.min(end(), other.end());
            return from < to ? new Range(from, to - from) : new Range(offset, 0);
        }
    }

    private final GptConfig config;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private final List<Range> buckets = new ArrayList<>();
    private final int paddedVocabulary;
    private long count;
    private final long decaying;
    private final OptimizerShard shard;
    private final List<Range> own;
    private final KeptRanges kept;
    private final Device device;
    private final Tensor master;
    private final Tensor working;
    private final GradientBuffer gradients;

    /** Allocates without initialising; see {@link #initialise} and {@link #set}. */
    public Parameters(GptConfig config, Device device, Arena arena, boolean training) {
        this(config, device, arena, training ? DType.F32 : null, OptimizerShard.WHOLE);
    }

    /**
     * The same, for a rank that updates only its shard of the weights.
     *
     * @param gradientType of the sums of gradients, F32 or BF16; null for inference, which has none
     */
    public Parameters(GptConfig config, Device device, Arena arena, DType gradientType, OptimizerShard shard) {
        this.config = config;
        this.device = device;
        this.shard = shard;
        int multiple = device.kind() == Device.Kind.CUDA ? 64 : 1;
        paddedVocabulary = (config.vocabulary() + multiple - 1) / multiple * multiple;
        layOutBlocks();
        long blocks = count;
        layOutEmbeddings();
        decaying = count;
        layOutOthers();
        endBucket(blocks);
        own = shard.ranges(shard.rank(), this);
        kept = shard.keptRanges(this);
        working = arena.allocate("weights", device.activationType(), count);
        master =
                device.activationType() == DType.F32 ? working : arena.allocate("F32 weights", DType.F32, kept.count());
        gradients = gradientType == null
                ? null
                : new GradientBuffer(
                        device, arena, buckets, entries.get("wpe.weight").offset(), gradientType);
    }

    private void layOutBlocks() {
        int c = config.width();
        for (int i = config.layers() - 1; i >= 0; i--) {
            long start = count;
            add(block(i, "attn.c_attn.weight"), true, c, 3L * c);
            add(block(i, "attn.c_proj.weight"), true, c, c);
            add(block(i, "mlp.c_fc.weight"), true, c, 4L * c);
            add(block(i, "mlp.c_proj.weight"), true, 4L * c, c);
            endBucket(start);
        }
    }

    private void endBucket(long start) {
        long multiple = shard.bucketMultiple();
        count = start + (count - start + multiple - 1) / multiple * multiple;
        buckets.add(new Range(start, count - start));
    }

    private void layOutEmbeddings() {
        add("wte.weight", true, paddedVocabulary, config.width());
        add("wpe.weight", true, config.blockSize(), config.width());
    }

    private void layOutOthers() {
        int c = config.width();
        for (int i = 0; i < config.layers(); i++) {
            addNorm(block(i, "ln_1"));
            addNorm(block(i, "ln_2"));
            if (config.bias()) {
                add(block(i, "attn.c_attn.bias"), false, 3L * c);
                add(block(i, "attn.c_proj.bias"), false, c);
                add(block(i, "mlp.c_fc.bias"), false, 4L * c);
                add(block(i, "mlp.c_proj.bias"), false, c);
            }
        }
        addNorm("ln_f");
    }

    private void addNorm(String name) {
        add(name + ".weight", false, config.width());
        if (config.bias()) {
            add(name + ".bias", false, config.width());
        }
    }

    private void add(String name, boolean decays, long... extents) {
        Entry entry = new Entry(name, Shape.of(extents), count, decays);
        entries.put(name, entry);
        count += entry.shape().count();
    }

    /** The name of a parameter of a layer, such as "h.3.attn.c_attn.weight" of "attn.c_attn.weight". */
    public static String block(int layer, String name) {
        return "h." + layer + "." + name;
    }

    public GptConfig config() {
        return config;
    }

    public int paddedVocabulary() {
        return paddedVocabulary;
    }

    /** How many weights a model has, without the padding of the vocabulary. */
    public static long count(GptConfig config) {
        long c = config.width();
        long block = 12 * c * c + 2 * c + (config.bias() ? 11 * c : 0);
        long last = config.bias() ? 2 * c : c;
        return ((long) config.vocabulary() + config.blockSize()) * c + config.layers() * block + last;
    }

    public long count() {
        return count;
    }

    public List<Entry> entries() {
        return List.copyOf(entries.values());
    }

    /**
     * The buckets: ranges that cover the flat buffers, ascending, in the order in which backward completes their
     * gradients: one per block, the last block first, then one of embeddings and of weights that do not decay.
     */
    public List<Range> buckets() {
        return List.copyOf(buckets);
    }

    /** The weights that decay: a prefix of the flat buffers. */
    public Range decaying() {
        return new Range(0, decaying);
    }

    /** The ranges of the flat buffers that a rank of the group updates, ascending. */
    public List<Range> ranges(int rank) {
        return shard.ranges(rank, this);
    }

    /** The ranges of this rank's part of the weights. */
    public List<Range> own() {
        return own;
    }

    /** The ranges that this rank updates: {@link #own}, then those of the ranks of which it keeps a copy. */
    public KeptRanges kept() {
        return kept;
    }

    /** Whether this rank updates parts of other ranks as well. */
    public boolean keepsCopies() {
        return kept.ranges().size() > own.size();
    }

    /** The F32 weights of a part of {@link #kept}. */
    public Tensor master(Range part) {
        return master == working
                ? working.slice(0, part.offset(), part.length())
                : master.slice(0, kept.offset(part), part.length());
    }

    /** The F32 weights of {@link #kept}, as many; or all of them, (count), where F32 is the activation type. */
    public Tensor master() {
        return master;
    }

    /** The working copy, (count) in the activation type; the same tensor as {@link #master} where that is F32. */
    public Tensor working() {
        return working;
    }

    /** The sums of the gradients of all weights, (count) F32 or BF16. */
    public Tensor gradients() {
        return gradientBuffer().sums();
    }

    /** What sums the gradients of micro-batches, for training alone. */
    public GradientBuffer gradientBuffer() {
        return Objects.requireNonNull(gradients, "these parameters were made for inference and have no gradients");
    }

    /** The working copy of a weight, or null for a bias that the model does not have. */
    public Tensor weight(String name) {
        return view(working, name);
    }

    /** Where backward adds the gradient of a weight, F32; null for a bias that the model does not have. */
    public Tensor gradient(String name) {
        Entry entry = gradients == null ? null : entry(name);
        return entry == null ? null : gradients.accumulator(entry);
    }

    private Tensor view(Tensor flat, String name) {
        Entry entry = entry(name);
        return entry == null ? null : Tensor.dense(flat.buffer(), flat.offset() + entry.offset(), entry.shape());
    }

    /** Null for a bias that the model does not have. */
    private Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry != null) {
            return entry;
        }
        if (!config.bias() && name.endsWith(".bias")) {
            return null;
        }
        throw new IllegalArgumentException("no weight is called " + name);
    }

    /** GPT-2's initialisation, see {@link InitialWeights}: the same bits on every device. */
    public void initialise(long seed) {
        new InitialWeights(this, seed).draw();
    }

    /** Sets all weights to 0, also the padding, which {@link #set} leaves alone. */
    public void clear() {
        device.ops().fill(working, 0);
        if (working != master) {
            device.ops().fill(master, 0);
        }
    }

    /**
     * Overwrites the weights from {@code offset} on, in the layout of {@link #entries}, by what the buffer has left; its
     * position stays.
     */
    public void set(long offset, FloatBuffer values) {
        device.upload(values, working.slice(0, offset, values.remaining()));
        if (working != master) {
            setKept(master, offset, values);
        }
    }

    /**
     * The same for what this rank keeps of the weights that it updates: of the values, those of {@link #kept}.
     *
     * @param ofKept (kept count) F32: weights, or moments
     */
    public void setKept(Tensor ofKept, long offset, FloatBuffer values) {
        for (Range range : kept.ranges()) {
            Range part = new Range(offset, values.remaining()).intersect(range);
            if (part.length() > 0) {
                int at = values.position() + (int) (part.offset() - offset);
                device.upload(values.slice(at, (int) part.length()), ofKept.slice(0, kept.offset(part), part.length()));
            }
        }
    }
}
