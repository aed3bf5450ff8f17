package dev.kindling.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DataExceptionTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"text": "a" | Unexpected end-of-input: expected close marker for Object (start marker at line 1, column 1)
            {"text": tru} | Unrecognized token 'tru': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')
            """)
    void whatIsNoJsonIsToldWithoutJacksonsSettings(String json, String reason) {
        JsonProcessingException cause = catchThrowableOfType(
                JsonProcessingException.class,
                () -> JsonMapper.builder().build().readTree(json));
        assertThat(DataException.reason(cause)).isEqualTo(reason);
    }
}
