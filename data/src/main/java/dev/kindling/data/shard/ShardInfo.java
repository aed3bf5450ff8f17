package dev.kindling.data.shard;

import java.util.List;

/**
 * What the manifest says of one shard.
 *
 * @param name its file name in the set's folder
 * @param tokens ids it holds
 * @param crc32c of the ids as they lie in the file, 8 hexadecimal digits
 * @param documents the lengths, in tokens, of the documents in it, in order; they add up to {@code
 *     tokens}
 * @param continues whether the last of them goes on in the next shard of the split
 */
public record ShardInfo(String name, long tokens, String crc32c, List<Integer> documents, boolean continues) {
    public ShardInfo {
        documents = List.copyOf(documents);
    }
}
