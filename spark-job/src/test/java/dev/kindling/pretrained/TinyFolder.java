package dev.kindling.pretrained;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.HuggingFaceTokenizer;
import dev.kindling.interop.ModelFolder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** A GPT-2 folder of 2 layers as transformers writes it, in memory: 2 heads, width 8, 16 positions. */
public final class TinyFolder implements ModelFolder {
    static final CharTokenizer CHARACTERS =
            CharTokenizer.of("\n .:ABCEHIJLMNORSTUabcdefghijklmnopqrstuvwxyz".codePoints());

    private static final JsonMapper JSON = new JsonMapper();

    final Map<String, byte[]> files = new TreeMap<>();
    /** The elements of each tensor, by its name without a prefix. */
    final Map<String, float[]> values = new LinkedHashMap<>();

    private final Map<String, int[]> shapes = new LinkedHashMap<>();
    private final String dtype;

    private TinyFolder(String dtype) {
        this.dtype = dtype;
    }

    /**
     * A folder.
     *
     * @param dtype F32, BF16 or F16
     * @param shards 1 for a single file
     */
    public static TinyFolder of(String prefix, String dtype, int shards) {
        TinyFolder folder = new TinyFolder(dtype);
        folder.tensors();
        folder.text("config.json", config().toString());
        folder.text("tokenizer.json", HuggingFaceTokenizer.toJson(CHARACTERS).toString());
        folder.weights(prefix, shards);
        return folder;
    }

    /** The same folder with vocab.json and merges.txt: 42 letters, two merges, and an end of text as its last id. */
    public TinyFolder withMerges() {
        files.remove("tokenizer.json");
        ObjectNode vocab = JSON.createObjectNode();
        String letters =
                "\u010a\u0120.:ABCEHIJLMNORSTUabcdefghijklmnopqrstuvwxyz"; // new line and space as GPT-2 spells them
        letters.chars().limit(42).forEach(letter -> vocab.put(Character.toString(letter), vocab.size()));
        String merges = "#version: 0.2\nt h\nth e\n";
        vocab.put("th", 42).put("the", 43).put("<|endoftext|>", 44);
        text("vocab.json", vocab.toString());
        text("merges.txt", merges);
        return this;
    }

    static ObjectNode config() {
        ObjectNode config = JSON.createObjectNode();
        config.putArray("architectures").add("GPT2LMHeadModel");
        return config.put("model_type", "gpt2")
                .put("n_layer", 2)
                .put("n_head", 2)
                .put("n_embd", 8)
                .put("n_positions", 16)
                .put("n_ctx", 16)
                .put("vocab_size", CHARACTERS.vocabSize())
                .put("activation_function", "gelu_new")
                .put("layer_norm_epsilon", 1e-5)
                .put("resid_pdrop", 0.0)
                .put("embd_pdrop", 0.0)
                .put("attn_pdrop", 0.0)
                .put("some_key_of_a_later_version", "x");
    }

    void text(String file, String text) {
        files.put(file, text.getBytes(StandardCharsets.UTF_8));
    }

    private void tensors() {
        add("wte.weight", CHARACTERS.vocabSize(), 8);
        add("wpe.weight", 16, 8);
        for (int layer = 0; layer < 2; layer++) {
            String h = "h." + layer + ".";
            addPair(h + "ln_1", 8);
            addPair(h + "attn.c_attn", 8, 24);
            addPair(h + "attn.c_proj", 8, 8);
            addPair(h + "ln_2", 8);
            addPair(h + "mlp.c_fc", 8, 32);
            addPair(h + "mlp.c_proj", 32, 8);
            add(h + "attn.bias", 1, 1, 16, 16); // masks, to be passed over
            add(h + "attn.masked_bias");
        }
        addPair("ln_f", 8);
        shapes.put("lm_head.weight", shapes.get("wte.weight"));
        values.put("lm_head.weight", values.get("wte.weight"));
    }

    private void addPair(String name, int... shape) {
        add(name + ".weight", shape);
        add(name + ".bias", shape[shape.length - 1]);
    }

    private void add(String name, int... shape) {
        Random random = new Random(name.hashCode());
        float[] floats = new float[Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < floats.length; i++) {
            // Values that all three types hold: seven bits, in the range of F16.
            floats[i] = (random.nextInt(255) - 127) / 128f;
        }
        shapes.put(name, shape);
        values.put(name, floats);
    }

    void weights(String prefix, int shards) {
        List<String> names = List.copyOf(shapes.keySet());
        ObjectNode index = JSON.createObjectNode();
        for (int shard = 0; shard < shards; shard++) {
            String file =
                    shards == 1 ? "model.safetensors" : "model-%05d-of-%05d.safetensors".formatted(shard + 1, shards);
            List<String> part = names.subList(names.size() * shard / shards, names.size() * (shard + 1) / shards);
            files.put(file, safetensors(part, prefix));
            part.forEach(name -> index.withObject("/weight_map").put(written(name, prefix), file));
        }
        if (shards > 1) {
            text("model.safetensors.index.json", index.toString());
        }
    }

    private static String written(String name, String prefix) {
        return name.equals("lm_head.weight") ? name : prefix + name;
    }

    private byte[] safetensors(List<String> names, String prefix) {
        int bytes = dtype.equals("F32") ? 4 : 2;
        ObjectNode header = JSON.createObjectNode();
        header.putObject("__metadata__").put("format", "pt");
        int at = 0;
        for (String name : names) {
            ObjectNode entry = header.putObject(written(name, prefix)).put("dtype", dtype);
            Arrays.stream(shapes.get(name)).forEach(entry.putArray("shape")::add);
            entry.putArray("data_offsets").add(at).add(at += bytes * values.get(name).length);
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + json.length + at)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json);
        for (String name : names) {
            for (float value : values.get(name)) {
                switch (dtype) {
                    case "F32" -> file.putFloat(value);
                    case "BF16" -> file.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                    default -> file.putShort(f16(value));
                }
            }
        }
        return file.array();
    }

    /** Of a number that binary16 holds exactly and that is not subnormal there. */
    private static short f16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = (bits >>> 16) & 0x8000;
        return (short) (value == 0 ? sign : sign | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff));
    }

    public Path writeTo(Path directory) throws IOException {
        Files.createDirectories(directory);
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            Files.write(directory.resolve(file.getKey()), file.getValue());
        }
        return directory;
    }

    @Override
    public String path(String file) {
        return "folder/" + file;
    }

    @Override
    public boolean has(String file) {
        return files.containsKey(file);
    }

    @Override
    public long length(String file) {
        return files.get(file).length;
    }

    @Override
    public InputStream open(String file, long from) {
        byte[] bytes = files.get(file);
        return new ByteArrayInputStream(bytes, (int) from, bytes.length - (int) from);
    }
}
