package dev.kindling.data.batch;

import dev.kindling.data.shard.DocumentIndex;
import dev.kindling.data.shard.TokenSequence;

/** A split's tokens, and the places in them where documents begin and end. */
public record Documents(TokenSequence tokens, DocumentIndex index) {}
