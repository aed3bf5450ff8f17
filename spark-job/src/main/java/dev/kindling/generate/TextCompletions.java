package dev.kindling.generate;

import dev.kindling.data.DataException;
import dev.kindling.inference.ExecutorModels;
import dev.kindling.local.Completion;
import dev.kindling.nn.sample.TextGenerator;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.apache.spark.TaskContext;

/**
 * Continues prompts as they come, in a task: in their order, a batch of them in memory. The seed of a text follows from its
 * prompt, so that the texts do not depend on how a table is divided.
 *
 * @param skipBad whether a prompt that cannot be continued, as null, gives nothing; otherwise it is an error
 */
public record TextCompletions(GenerationSettings writing, boolean skipBad) implements Serializable {
    /** What is added to each prompt, in their order; empty for one that is passed over. */
    public Iterator<Optional<String>> of(Iterator<String> prompts) throws IOException {
        return prompts.hasNext() ? new Texts(prompts, ExecutorModels.acquire(writing.model())) : empty();
    }

    private static Iterator<Optional<String>> empty() {
        return List.<Optional<String>>of().iterator();
    }

    private final class Texts implements Iterator<Optional<String>> {
        private final Iterator<String> prompts;
        private final LoadedGenerator writer;
        private final Deque<Optional<String>> done = new ArrayDeque<>();

        Texts(Iterator<String> prompts, LoadedGenerator writer) {
            this.prompts = prompts;
            this.writer = writer;
        }

        @Override
        public boolean hasNext() {
            return !done.isEmpty() || prompts.hasNext();
        }

        @Override
        public Optional<String> next() {
            if (done.isEmpty()) {
                if (!prompts.hasNext()) {
                    throw new NoSuchElementException("all prompts have been continued");
                }
                write();
            }
            return done.removeFirst();
        }

        private void write() {
            List<Optional<Completion>> completions = new ArrayList<>();
            List<TextGenerator.Request> requests = new ArrayList<>();
            TaskContext task = TaskContext.get();
            while (prompts.hasNext() && completions.size() < writer.batch()) {
                String prompt = prompts.next();
                Optional<int[]> tokens = tokens(prompt);
                Optional<Completion> completion =
                        tokens.map(known -> new Completion(writer.tokenizer(), writing.stops(), piece -> {}));
                completions.add(completion);
                completion.ifPresent(text -> requests.add(new TextGenerator.Request(
                        tokens.get(),
                        writing.seed(hash(prompt), 0),
                        token -> text.accept(token) && !task.isInterrupted())));
            }
            writer.write(requests, writing.maxTokens(), writing.sampling());
            completions.forEach(completion -> {
                completion.ifPresent(Completion::end);
                done.add(completion.map(Completion::text));
            });
        }

        private Optional<int[]> tokens(String prompt) {
            try {
                if (prompt == null || prompt.isEmpty()) {
                    throw new DataException(
                            "a prompt is null or empty; filter such rows out, or set handleInvalid to keep or skip");
                }
                return Optional.of(writer.tokenizer().encode(prompt));
            } catch (DataException e) {
                if (!skipBad) {
                    throw e;
                }
                return Optional.empty();
            }
        }
    }

    private static long hash(String prompt) {
        CRC32C hash = new CRC32C();
        hash.update(prompt.getBytes(StandardCharsets.UTF_8));
        return hash.getValue();
    }
}
