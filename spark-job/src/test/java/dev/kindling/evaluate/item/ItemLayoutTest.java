package dev.kindling.evaluate.item;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.DataException;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The texts that items become; the expected ones are those of lm-evaluation-harness, worked out by hand. */
class ItemLayoutTest {
    private static JsonNode json(String text) throws IOException {
        return new JsonMapper().readTree(text.replace('\'', '"'));
    }

    private static Item read(String line) throws IOException {
        JsonNode json = json(line);
        return ItemLayout.of(json).orElseThrow().read("key", json);
    }

    @Test
    void aSpaceGoesBetweenContextAndEndingWhereThereIsNone() throws IOException {
        Item item = read("{'context': 'A cat', 'endings': ['sat.', ' ran.'], 'label': 1, 'id': 'cat'}");
        assertThat(item.id()).isEqualTo("cat");
        assertThat(item.context()).isEqualTo("A cat");
        assertThat(item.label()).isEqualTo(1);
        assertThat(item.endings()).containsExactly(new Item.Ending("sat.", " sat."), new Item.Ending(" ran.", " ran."));
        assertThat(read("{'context': 'A cat\\n', 'endings': ['sat', 'ran'], 'label': 0}")
                        .endings())
                .containsExactly(new Item.Ending("sat", "sat"), new Item.Ending("ran", "ran"));
    }

    @Test
    void hellaSwagIsCleaned() throws IOException {
        Item item =
                read("{'ind': 24, 'activity_label': 'Roof shingle removal', 'ctx_a': ' A man [header] is on a roof.',"
                        + " 'ctx_b': 'he [title] HAS', 'ctx': 'unused', 'endings': [' is [substeps] using  wrap. ', 'sits [title] down'],"
                        + " 'label': '1'}");
        assertThat(item.id()).isEqualTo("24");
        // capitalize lowers what follows; "[header]" leaves two spaces, which become one
        assertThat(item.context()).isEqualTo("Roof shingle removal: A man is on a roof. He. has");
        assertThat(item.endings())
                .containsExactly(
                        new Item.Ending("is using wrap.", " is using wrap."),
                        new Item.Ending("sits. down", " sits. down"));
        assertThat(item.label()).isEqualTo(1);
        assertThat(read("{'ctx': 'A man', 'endings': ['sat', 'ran'], 'label': 0}")
                        .context())
                .isEqualTo("A man");
    }

    @Test
    void lambadaAsksForTheLastWord() throws IOException {
        Item item = read("{'text': 'in the  night, said Romeo.'}");
        assertThat(item.context()).isEqualTo("in the  night, said");
        assertThat(item.endings()).containsExactly(new Item.Ending("Romeo.", " Romeo."));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'context': 7, 'endings': ['a', 'b'], 'label': 0} | has no text in 'context'",
                "{'context': 'c', 'endings': ['a'], 'label': 0} | has no two texts or more in 'endings'",
                "{'context': 'c', 'endings': 'ab', 'label': 0} | has no two texts or more in 'endings'",
                "{'context': 'c', 'endings': ['a', null], 'label': 0} | has an ending that is no text",
                "{'context': 'c', 'endings': ['a', ''], 'label': 0} | has an ending that is empty",
                "{'context': 'c', 'endings': ['a', 'b']} | has nothing in 'label', which has to be the right ending's index, 0 to 1",
                "{'context': 'c', 'endings': ['a', 'b'], 'label': 2} | has 2 in 'label'",
                "{'context': 'c', 'endings': ['a', 'b'], 'label': -1} | has -1 in 'label'",
                "{'context': 'c', 'endings': ['a', 'b'], 'label': 1.0} | has 1.0 in 'label'",
                "{'ctx': 'c', 'endings': ['a', 'b'], 'label': ''} | in 'label'",
                "{'ctx_a': 'c', 'endings': ['a', 'b'], 'label': 0} | has no text in 'ctx_b'",
                "{'ctx': 'c', 'endings': ['a', '[step]'], 'label': 0} | has an ending that is empty",
                "{'text': 'word'} | has no last word after a space in 'text'",
                "{'text': 'ends '} | has no last word after a space in 'text'",
                "{'text': ['a b']} | has no text in 'text'"
            })
    void badItemsAreNamed(String line, String said) {
        assertThatThrownBy(() -> read(line)).isInstanceOf(DataException.class).hasMessageContaining(said);
    }
}
