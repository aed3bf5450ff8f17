package dev.kindling.coordinate.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import dev.kindling.allreduce.link.Peer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MessageCodecTest {
    private record Sample(
            int count,
            double loss,
            String text,
            @JsonSetter(nulls = Nulls.SET) Double maybe) {}

    private static final Topic<Sample> SAMPLE = new Topic<>("sample", Sample.class);
    private static final Peer PEER = new Peer(1, "node7", 4711, "3", "");

    private static Stream<RankMessage> ofRanks() {
        return Stream.of(
                new RankMessage.Join(1, 0, PEER),
                new RankMessage.Holds(1, 0, new HeldState(40, 2, List.of(0, 1))),
                new RankMessage.Retains(1, 0, "app-1/train"),
                new RankMessage.Saves(0, 0, "3", true),
                new RankMessage.Heartbeat(1, 0, -1, "stage 'a' \u00e9", 1L << 40, true, 7),
                new RankMessage.Failed(
                        1, 0, new FirstCause(0, "", "no", "at x\n\tat y", true), RankMessage.Failed.Origin.PEER, -1),
                new RankMessage.ClaimGpu(1, 0, "GPU-5a1e"),
                new RankMessage.MayEnd(1, 0),
                new RankMessage.Request(1, 0, 7, SAMPLE.wrap(new Sample(1, 2, "x", null))),
                new RankMessage.IsHandled(1, 0, 7),
                new RankMessage.Reports(1, 0, List.of(SAMPLE.wrap(new Sample(1, 0.1, "", 0.2)))),
                new RankMessage.Left(1, 0));
    }

    private static Stream<DriverReply> ofTheDriver() {
        return Stream.of(
                new DriverReply.Ok(),
                new DriverReply.Waiting(),
                new DriverReply.Roster(List.of(PEER, PEER), PEER),
                new DriverReply.Start(41, 40, List.of(List.of(1), List.of(0, 2))),
                new DriverReply.Stop("generation 1 is over"),
                new DriverReply.Ending(),
                new DriverReply.Refused("two ranks on one GPU"),
                new DriverReply.HandlerFailed("disk full", false));
    }

    @ParameterizedTest
    @MethodSource("ofRanks")
    void messagesOfRanksComeBackEqual(RankMessage message) {
        assertThat(MessageCodec.decode(MessageCodec.encode(message), RankMessage.class))
                .isEqualTo(message);
    }

    @ParameterizedTest
    @MethodSource("ofTheDriver")
    void repliesOfTheDriverComeBackEqual(DriverReply reply) {
        assertThat(MessageCodec.decode(MessageCodec.encode(reply), DriverReply.class))
                .isEqualTo(reply);
    }

    @Test
    void everyKindOfMessageIsTried() {
        assertThat(ofRanks().map(Object::getClass)).containsOnly(RankMessage.class.getPermittedSubclasses());
        assertThat(ofTheDriver().map(Object::getClass)).containsOnly(DriverReply.class.getPermittedSubclasses());
    }

    /** Through the bytes of a message, as on the wire. */
    private static Topic.Value sent(Topic.Value value) {
        byte[] bytes = MessageCodec.encode(new RankMessage.Request(1, 0, 1, value));
        return ((RankMessage.Request) MessageCodec.decode(bytes, RankMessage.class)).value();
    }

    @ParameterizedTest
    @ValueSource(
            doubles = {0.1, -0.0, 1e-300, 4.9e-324, Double.MAX_VALUE, Math.PI, Double.NaN, Double.POSITIVE_INFINITY})
    void numbersComeBackToTheBit(double number) {
        Sample sample = new Sample(Integer.MIN_VALUE, number, "", number);
        Sample back = SAMPLE.unwrap(sent(SAMPLE.wrap(sample)));
        assertThat(Double.doubleToRawLongBits(back.loss())).isEqualTo(Double.doubleToRawLongBits(number));
        assertThat(back).isEqualTo(sample);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"count\":1,\"loss\":2.0,\"text\":\"x\"}",
                "{\"count\":1,\"loss\":2.0,\"text\":\"x\",\"maybe\":null,\"more\":3}",
                "{\"count\":null,\"loss\":2.0,\"text\":\"x\",\"maybe\":null}",
                "{\"count\":1,\"loss\":2.0,\"text\":null,\"maybe\":null}",
                "{\"count\":\"1\",\"loss\":2.0,\"text\":\"x\",\"maybe\":null}",
                "{\"count\":4294967296,\"loss\":2.0,\"text\":\"x\",\"maybe\":null}",
                "{\"count\":1.5,\"loss\":2.0,\"text\":\"x\",\"maybe\":null}",
                "{\"count\":1,\"loss\":2.0,\"text\":\"x\",\"maybe\":null}}",
                "{\"count\":1,\"loss\":2.0,\"text\":\"x\",\"mayb",
                "[1, 2.0, \"x\", null]",
                "null",
                ""
            })
    void whatIsNotTheRecordIsRefusedWithWords(String json) {
        assertThatThrownBy(() -> MessageCodec.decode(json.getBytes(StandardCharsets.UTF_8), Sample.class))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("Sample")
                .hasMessageNotContaining("\n");
    }

    @Test
    void classesThatNobodyNamedAreNeverMade() throws IOException {
        ByteArrayOutputStream serialized = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(serialized)) {
            out.writeObject(PEER);
        }
        byte[] foreign = "{\"@type\":\"javax.swing.JEditorPane\",\"page\":\"http://127.0.0.1/\"}"
                .getBytes(StandardCharsets.UTF_8);
        for (byte[] bytes : List.of(serialized.toByteArray(), foreign)) {
            assertThatThrownBy(() -> MessageCodec.decode(bytes, RankMessage.class))
                    .isInstanceOf(FatalJobException.class)
                    .hasMessageContaining("not a RankMessage of this version of Kindling")
                    .hasMessageContaining("the same kindling.jar");
        }
    }

    @Test
    void aWrongPayloadNamesItsTopic() {
        Topic<String> text = new Topic<>("sample", String.class);
        assertThatThrownBy(() -> SAMPLE.unwrap(sent(text.wrap("king"))))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("topic 'sample': not a Sample");
        Topic<Sample> other = new Topic<>("other", Sample.class);
        assertThatThrownBy(() -> other.unwrap(SAMPLE.wrap(new Sample(1, 2, "", null))))
                .hasMessageContaining("'sample' is not one of 'other'");
    }
}
