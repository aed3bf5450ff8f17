package dev.kindling.coordinate;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.DriverAllReduce;
import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.SingleRank;
import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.RankMessage;
import dev.kindling.data.StoreException;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.storage.PathException;
import java.io.PrintWriter;
import java.io.Serializable;
import java.io.StringWriter;
import java.util.List;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;

/** The Spark task of one rank: join, run the body, tell the driver how it ended. */
final class RankTask extends AbstractFunction1<Iterator<Integer>, Iterator<byte[]>> implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Generation generation;
    private final String job;
    private final Limits limits;
    private final Transport transport;
    private final long maxElements;
    private final GenerationBody body;

    RankTask(Generation generation, String job, GenerationPlan plan, GenerationBody body) {
        this.generation = generation;
        this.job = job;
        this.limits = plan.limits();
        this.transport = plan.transport();
        this.maxElements = plan.maxElements();
        this.body = body;
    }

    @Override
    public Iterator<byte[]> apply(Iterator<Integer> ranks) {
        TaskContext task = TaskContext.get();
        int rank = task.partitionId();
        try (RankSession session = new RankSession(generation, job, limits, rank)) {
            ExecutorProcess.began(session);
            try {
                byte[] result = joinAndRun(session, gpuOf(task));
                session.left();
                List<byte[]> results = rank != 0 ? List.of() : List.of(result == null ? new byte[0] : result);
                return CollectionConverters.asScala(results.iterator());
            } catch (Exception | LinkageError | OutOfMemoryError | AssertionError e) {
                session.failing(e);
                if (CudaException.tellsOfLostContext(e)) {
                    session.endProcess("rank " + rank + " has lost its device: " + FailureAccount.oneLine(e));
                }
                throw new IllegalStateException(FailureAccount.oneLine(e), e);
            } finally {
                ExecutorProcess.ended(session);
            }
        } finally {
            // The order to stop interrupts this thread, which Spark will use again.
            Thread.interrupted();
        }
    }

    private byte[] joinAndRun(RankSession session, String gpu) throws Exception {
        boolean ring = transport == Transport.RING && generation.worldSize() > 1;
        MeshEndpoint endpoint =
                ring ? MeshEndpoint.open(generation.number(), generation.worldSize(), maxElements) : null;
        try (AllReduce allReduce = rendezvous(session, gpu, endpoint)) {
            // No rank may begin, or end, before all of them can be reached.
            allReduce.barrier();
            return body.run(session, allReduce);
        } finally {
            if (endpoint != null) {
                endpoint.close();
            }
        }
    }

    private AllReduce rendezvous(RankSession session, String gpu, MeshEndpoint endpoint) {
        SparkEnv env = SparkEnv.get();
        String host = env.blockManager().blockManagerId().host();
        int port = endpoint == null ? 0 : endpoint.port();
        DriverReply.Roster roster = session.join(new Peer(session.rank(), host, port, env.executorId(), gpu));
        if (generation.worldSize() == 1) {
            return new SingleRank();
        }
        return endpoint == null
                ? new DriverAllReduce(session.group(roster.peers()), roster.reducer())
                : new MeshAllReduce(session.group(roster.peers()), endpoint);
    }

    private static String gpuOf(TaskContext task) {
        ResourceInformation gpu = task.resourcesJMap().get("gpu");
        return gpu == null || gpu.addresses().length == 0 ? "" : gpu.addresses()[0];
    }

    /** A rank's own account of why it fails, which its driver gets once. Used by the rank's thread. */
    static final class FailureAccount {
        private static final Logger LOG = LoggerFactory.getLogger(FailureAccount.class);

        private final RankSession session;
        private final TaskContext task;
        private boolean told;

        /** @param task of the rank */
        FailureAccount(RankSession session, TaskContext task) {
            this.session = session;
            this.task = task;
        }

        /** The first failure counts; what follows is a consequence of it. */
        void tell(Throwable e) {
            if (told) {
                return;
            }
            told = true;
            int rank = session.rank();
            boolean usage = e instanceof ConfigException || e instanceof PathException;
            boolean fatal = usage || e instanceof FatalJobException;
            FirstCause cause = new FirstCause(rank, "", oneLine(e), stackOf(e), fatal, usage);
            int lost = e instanceof AllReduceException peer ? peer.lost() : -1;
            try {
                // An interrupt that is still pending would break off the message.
                Thread.interrupted();
                if (!session.mustStop()) {
                    flushQuietly();
                }
                CoordinatorEndpoint.ask(
                        new RankMessage.Failed(session.generation().number(), rank, cause, origin(e), lost));
            } catch (Exception problem) {
                LOG.error("rank {} could not tell the driver of its failure: {}", rank, cause.what(), problem);
            }
        }

        /** What led to a failure is worth knowing, though less than the failure. */
        private void flushQuietly() {
            try {
                session.flushReports();
            } catch (RuntimeException | Error e) {
                LOG.warn("rank {} could not send its last reports: {}", session.rank(), e.toString());
            }
        }

        /** What follows from an interrupt may come as any exception, of a file that was being read for example. */
        private RankMessage.Failed.Origin origin(Throwable e) {
            if (CudaException.tellsOfLostContext(e)) {
                return RankMessage.Failed.Origin.DEVICE;
            }
            if (e instanceof FencedException
                    || e instanceof InterruptedException
                    || session.mustStop()
                    || task.isInterrupted()) {
                return RankMessage.Failed.Origin.STOPPED;
            }
            return e instanceof AllReduceException ? RankMessage.Failed.Origin.PEER : RankMessage.Failed.Origin.OWN;
        }

        static String oneLine(Throwable e) {
            boolean worded = e instanceof FatalJobException
                    || e instanceof ConfigException
                    || e instanceof PathException
                    || e instanceof StoreException;
            String text = worded ? e.getMessage() : e.toString();
            return text.lines().findFirst().orElse(text);
        }

        private static String stackOf(Throwable e) {
            StringWriter text = new StringWriter();
            e.printStackTrace(new PrintWriter(text));
            return text.toString();
        }
    }
}
