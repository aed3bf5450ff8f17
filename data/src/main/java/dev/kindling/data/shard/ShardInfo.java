package dev.kindling.data.shard;

import java.io.Serializable;

/**
 * What the manifest says of one shard.
 *
 * @param name its file name in the set's folder
 * @param tokens ids it holds
 * @param crc32c of the ids as they lie in the file, 8 hexadecimal digits
 * @param documents how many there are in it
 * @param continues whether the last of them goes on in the next shard of the split
 */
public record ShardInfo(String name, long tokens, String crc32c, int documents, boolean continues)
        implements Serializable {}
