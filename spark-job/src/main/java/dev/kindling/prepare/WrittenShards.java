package dev.kindling.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.shard.ShardInfo;
import java.util.List;

/** What a task wrote, as it travels to the driver. */
record WrittenShards(List<ShardInfo> train, List<ShardInfo> val) {
    private static final JsonMapper JSON = new JsonMapper();

    static WrittenShards parse(String json) {
        try {
            return JSON.readValue(json, WrittenShards.class);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a task reported its shards in a form this driver cannot read", e);
        }
    }

    String toJson() {
        try {
            return JSON.writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a list of shards can always be written", e);
        }
    }
}
