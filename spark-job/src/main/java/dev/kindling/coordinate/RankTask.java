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
                boolean usage = e instanceof ConfigException || e instanceof PathException;
                boolean fatal = usage || e instanceof FatalJobException;
                FirstCause cause = new FirstCause(rank, "", oneLine(e), stackOf(e), fatal, usage);
                session.failed(
                        cause, origin(e, session, task), e instanceof AllReduceException peer ? peer.lost() : -1);
                if (CudaException.tellsOfLostContext(e)) {
                    session.endProcess("rank " + rank + " has lost its device: " + oneLine(e));
                }
                throw new IllegalStateException(oneLine(e), e);
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

    /** What follows from an interrupt may come as any exception, of a file that was being read for example. */
    private static RankMessage.Failed.Origin origin(Throwable e, RankSession session, TaskContext task) {
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

    private static String gpuOf(TaskContext task) {
        ResourceInformation gpu = task.resourcesJMap().get("gpu");
        return gpu == null || gpu.addresses().length == 0 ? "" : gpu.addresses()[0];
    }

    private static String oneLine(Throwable e) {
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
