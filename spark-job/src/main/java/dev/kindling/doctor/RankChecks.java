package dev.kindling.doctor;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.GenerationBody;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.device.Device;
import dev.kindling.device.cpu.matmul.OneDnnBf16Matmul;
import dev.kindling.device.cpu.rows.CpuVectors;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.library.CudaLibraries;
import dev.kindling.device.cuda.library.KernelCache;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.storage.NameEncoding;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;

/**
 * What every executor checks: its JVM, its device and libraries, the network to the others, the run directory. A
 * failed check is a finding, so the others still run.
 *
 * @param config how training would choose its device
 * @param directory of runs, as executors see it
 */
public record RankChecks(TrainConfig config, String directory) implements GenerationBody {
    private static final long LITTLE_HEAP_BYTES = 900L << 20;

    @Override
    public byte[] run(RankSession session, AllReduce channel) throws IOException {
        String host = SparkEnv.get().blockManager().blockManagerId().host();
        String where = String.format(
                Locale.ROOT,
                "rank %d, executor %s on %s",
                session.rank(),
                SparkEnv.get().executorId(),
                host);
        List<Finding> findings = new ArrayList<>();
        session.enter("checking the JVM");
        findings.add(java(where));
        findings.add(heap(where));
        findings.add(encoding(where));
        session.enter("opening the device");
        findings.addAll(device(session, where));
        session.enter("measuring the network");
        findings.addAll(new PairBandwidth(channel, host).measure());
        session.enter("checking the run directory");
        findings.addAll(new SharedDirectory(channel, directory, Storage.settingsInAnyEncoding()).check(where));
        session.stepReached(session.startStep() + 1);
        List<Finding> all = new ArrayList<>();
        for (byte[] part : channel.allGather(MessageCodec.encode(findings))) {
            all.addAll(decode(part));
        }
        return MessageCodec.encode(all);
    }

    /** The findings of all ranks, from the result of the job. */
    public static List<Finding> decode(byte[] findings) {
        return List.of(MessageCodec.decode(findings, Finding[].class));
    }

    private static Finding java(String where) {
        String found = String.format(
                Locale.ROOT,
                "%s on %s %s, %d processors",
                System.getProperty("java.runtime.version"),
                System.getProperty("os.name"),
                System.getProperty("os.arch"),
                Runtime.getRuntime().availableProcessors());
        return CpuVectors.whyNot()
                .map(
                        reason -> Finding.warn(
                                "java",
                                where,
                                found + "; no Vector API: " + reason,
                                "on the CPU several times slower: use a JDK (not a cut-down runtime) with jdk.incubator.vector"))
                .orElseGet(() -> Finding.ok("java", where, found));
    }

    private static Finding heap(String where) {
        long heap = Runtime.getRuntime().maxMemory();
        String found = String.format(Locale.ROOT, "%,d MiB heap", heap >> 20);
        return heap >= LITTLE_HEAP_BYTES
                ? Finding.ok("memory", where, found)
                : Finding.warn("memory", where, found, "set spark.executor.memory=2g or more");
    }

    private static Finding encoding(String where) {
        String found = "file names in " + NameEncoding.ofThisJvm();
        return NameEncoding.whyNotOnExecutor()
                .map(reason -> Finding.fail("encoding", where, found, reason))
                .orElseGet(() -> Finding.ok("encoding", where, found));
    }

    private List<Finding> device(RankSession session, String where) {
        List<Finding> findings = new ArrayList<>();
        long began = System.nanoTime();
        try (Device device = ExecutorDevice.open(config, session)) {
            String found = String.format(
                    Locale.ROOT,
                    "%s, %s, up in %.1f s",
                    device.description(),
                    device.precision(),
                    (System.nanoTime() - began) / 1e9);
            findings.add(Finding.ok("device", where, found));
            if (device instanceof CudaDevice) {
                findings.add(Finding.ok("cuda", where, CudaLibraries.load().toString()));
                findings.add(nccl(where));
                findings.add(kernelCache(where));
            } else {
                findings.add(oneDnn(where));
            }
        } catch (RuntimeException e) {
            findings.add(Finding.fail("device", where, e.getMessage(), "see the reason; or train with --device cpu"));
        }
        return findings;
    }

    private static Finding nccl(String where) {
        return NcclCommunicator.whyNot()
                .map(reason -> Finding.warn(
                        "nccl", where, reason, "gradients go through the host's memory (ring): install libnccl.so.2"))
                .orElseGet(() -> Finding.ok("nccl", where, NcclCommunicator.version()));
    }

    private static Finding oneDnn(String where) {
        return OneDnnBf16Matmul.whyNot()
                .map(reason -> Finding.warn(
                        "onednn", where, reason, "precision fp32 runs without it; bf16 on the CPU needs Linux x86-64"))
                .orElseGet(() -> Finding.ok("onednn", where, "loads: train.precision bf16 runs on the CPU"));
    }

    private static Finding kernelCache(String where) {
        Path folder = KernelCache.standard(System.getenv()).folder();
        try {
            Files.createDirectories(folder);
            Files.delete(Files.createTempFile(folder, "doctor", ".probe"));
            try (Stream<Path> kernels = Files.list(folder)) {
                return Finding.ok(
                        "kernel cache", where, String.format(Locale.ROOT, "%s: %d kernels", folder, kernels.count()));
            }
        } catch (IOException e) {
            return Finding.warn(
                    "kernel cache",
                    where,
                    folder + ": " + e,
                    "kernels are compiled anew in every process: set KINDLING_KERNEL_CACHE to a writable folder");
        }
    }
}
