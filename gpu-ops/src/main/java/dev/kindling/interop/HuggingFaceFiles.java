package dev.kindling.interop;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.interop.TensorFile.Located;
import java.io.IOException;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** The weights' files of a Hugging Face folder: {@code model.safetensors}, or shards and an index that names them. */
final class HuggingFaceFiles {
    static final String WEIGHTS = "model.safetensors";

    private static final String INDEX = "model.safetensors.index.json";

    private HuggingFaceFiles() {}

    /** All tensors of the folder by the names that they have there; reads headers only. */
    static SortedMap<String, Located> tensors(ModelFolder folder) throws IOException {
        if (folder.has(WEIGHTS)) {
            return TensorFile.open(folder, WEIGHTS).tensors();
        }
        if (!folder.has(INDEX)) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "%s is missing, and so is %s; save the model with save_pretrained, whose files are safetensors",
                    folder.path(WEIGHTS),
                    INDEX));
        }
        JsonNode map = folder.readJson(INDEX).path("weight_map");
        SortedMap<String, Located> tensors = shards(map, folder);
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            if (!tensors.containsKey(entry.getKey())) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "tensor %s is not in %s, where %s lists it; write the model again",
                        entry.getKey(),
                        folder.path(entry.getValue().asText()),
                        INDEX));
            }
        }
        return tensors;
    }

    /** The tensors of all files that an index names, each of which holds what is listed for it and nothing else. */
    private static SortedMap<String, Located> shards(JsonNode map, ModelFolder folder) throws IOException {
        Set<String> files = new TreeSet<>();
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            String file = entry.getValue().asText();
            if (!file.matches("[\\w.-]+\\.safetensors")) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s: '%s' of tensor %s is no name of a safetensors file; restore it",
                        folder.path(INDEX),
                        file,
                        entry.getKey()));
            }
            files.add(file);
        }
        SortedMap<String, Located> tensors = new TreeMap<>();
        for (String shard : files) {
            for (Map.Entry<String, Located> tensor :
                    TensorFile.open(folder, shard).tensors().entrySet()) {
                String listed = map.path(tensor.getKey()).asText("none");
                if (!listed.equals(shard)) {
                    throw new ModelFileException(String.format(
                            Locale.ROOT,
                            "tensor %s is in %s, but %s lists %s for it; write the model again",
                            tensor.getKey(),
                            folder.path(shard),
                            INDEX,
                            listed));
                }
                tensors.put(tensor.getKey(), tensor.getValue());
            }
        }
        return tensors;
    }
}
