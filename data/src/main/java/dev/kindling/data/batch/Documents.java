package dev.kindling.data.batch;

import dev.kindling.data.shard.DocumentIndex;
import dev.kindling.data.shard.TokenSequence;

/** A split's tokens, and where its documents lie in them. */
public record Documents(TokenSequence tokens, DocumentIndex index) {}
