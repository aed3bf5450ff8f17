package dev.kindling.device;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Token plus position, both directions. */
public interface EmbeddingContract extends OpsUnderTest {

    @ParameterizedTest
    @CsvSource({
        "1, 16, 0, 0",
        "13, 40, 0.25, 0",
        "65, 128, 0.2, 13",
        "129, 20, 0, 0",
        "300, 65, 0.5, 0",
        "300, 65, 0.5, 25",
        "2100, 40, 0.2, 28",
        "2100, 40, 0.2, 0"
    })
    default void embedsAndAccumulatesGradients(int rows, int width, float probability, int period) {
        OpsFixture f = fixture();
        int vocabulary = 11;
        int positions = 29;
        int[] tokens = f.random().ints(rows, 0, vocabulary).toArray();
        int[] places = f.random().ints(rows, 0, positions).toArray();
        if (period > 0) {
            Arrays.setAll(places, i -> i % period);
        }
        Dropout dropout = new Dropout(probability, 7);
        EmbeddingOp op = new EmbeddingOp(
                f.integers(tokens),
                f.integers(places),
                f.activation(vocabulary, width),
                f.activation(positions, width),
                dropout,
                period);
        Tensor y = f.poisoned(rows, width);
        Tensor dy = f.activation(rows, width);
        Tensor dTokens = f.floats(vocabulary, width);
        Tensor dPositions = f.floats(positions, width);

        ReferenceDropout mask = new ReferenceDropout(dropout, OpsFixture.STEP.seed(), OpsFixture.STEP.stream());
        double[][] tokenTable = f.rows(op.tokenTable());
        double[][] positionTable = f.rows(op.positionTable());
        double[][] gradient = f.rows(dy);
        double[][] expected = new double[rows][width];
        double[][] expectedTokens = f.rows(dTokens);
        double[][] expectedPositions = f.rows(dPositions);
        for (int n = 0; n < rows; n++) {
            for (int c = 0; c < width; c++) {
                double kept = mask.element((long) n * width + c);
                expected[n][c] = kept * (tokenTable[tokens[n]][c] + positionTable[places[n]][c]);
                expectedTokens[tokens[n]][c] += kept * gradient[n][c];
                expectedPositions[places[n]][c] += kept * gradient[n][c];
            }
        }
        f.ops().embedding(op, y);
        f.ops().embeddingBackward(op, dy, dTokens, dPositions);
        f.assertClose("y", y, OpsFixture.flat(expected));
        f.assertClose("dTokenTable", dTokens, OpsFixture.flat(expectedTokens), 3e-6);
        f.assertClose("dPositionTable", dPositions, OpsFixture.flat(expectedPositions), 3e-6);
    }
}
