package dev.kindling.submit;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSCluster.DataNodeProperties;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/**
 * The process of a {@link HadoopCluster}: NameNode, three DataNodes, ResourceManager and a NodeManager in one JVM, with a
 * class path of their own. It obeys the lines of its standard input, one word of answer for each, and ends with it.
 */
final class HadoopNodes {
    private static final int DATA_NODES = 3;
    private static final int MEMORY_MEBIBYTES = 6144;

    private static final List<String> CLIENT_SETTINGS = List.of(
            "fs.defaultFS",
            "yarn.resourcemanager.address",
            "yarn.resourcemanager.scheduler.address",
            "yarn.resourcemanager.webapp.address");

    private final MiniDFSCluster hdfs;
    private final Deque<DataNodeProperties> stopped = new ArrayDeque<>();

    private HadoopNodes(MiniDFSCluster hdfs) {
        this.hdfs = hdfs;
    }

    /** Starts the nodes with their files in {@code folder}, and their settings for clients in {@code folder/conf}. */
    public static void main(String[] arguments) {
        try {
            start(Path.of(arguments[0])).obey();
            System.exit(0);
        } catch (Exception | Error e) { // the nodes' threads would go on
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static HadoopNodes start(Path folder) throws Exception {
        MiniDFSCluster hdfs = new MiniDFSCluster.Builder(
                        hdfs(), folder.resolve("hdfs").toFile())
                .numDataNodes(DATA_NODES)
                .storagesPerDatanode(1)
                .build();
        hdfs.waitActive();
        MiniYARNCluster yarn = new MiniYARNCluster("yarn", 1, 1, 1);
        yarn.init(yarn(folder, hdfs.getURI().toString()));
        yarn.start();
        if (!yarn.waitForNodeManagersToConnect(60_000)) {
            throw new IllegalStateException("the NodeManager has not registered");
        }
        writeClientSettings(yarn.getConfig(), Files.createDirectories(folder.resolve("conf")));
        return new HadoopNodes(hdfs);
    }

    private static Configuration hdfs() {
        Configuration conf = new Configuration();
        conf.set("dfs.replication", "" + DATA_NODES);
        conf.set("dfs.namenode.fs-limits.min-block-size", "1024");
        conf.set("dfs.namenode.safemode.extension", "0");
        conf.set("dfs.datanode.du.reserved", "0");
        return conf;
    }

    /** For a small host, and one whose disk is nearly full. */
    private static YarnConfiguration yarn(Path folder, String fileSystem) {
        YarnConfiguration conf = new YarnConfiguration();
        conf.set("fs.defaultFS", fileSystem);
        conf.set("yarn.resourcemanager.hostname", "127.0.0.1");
        conf.set("yarn.nodemanager.vmem-check-enabled", "false");
        conf.set("yarn.nodemanager.pmem-check-enabled", "false");
        conf.set("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "100.0");
        conf.set("yarn.nodemanager.disk-health-checker.enable", "false");
        conf.set("yarn.nodemanager.delete.debug-delay-sec", "600"); // the tests read the logs
        conf.set("yarn.minicluster.yarn.nodemanager.resource.memory-mb", "" + MEMORY_MEBIBYTES);
        conf.set("yarn.scheduler.minimum-allocation-mb", "128");
        conf.set("yarn.resourcemanager.am.max-attempts", "2");
        conf.set("yarn.nodemanager.sleep-delay-before-sigkill.ms", "20000"); // executors save their last step
        conf.set("yarn.app.mapreduce.am.staging-dir", folder.resolve("staging").toString());
        // The minicluster's jar has no capacity-scheduler.xml.
        conf.set("yarn.scheduler.capacity.root.queues", "default");
        conf.set("yarn.scheduler.capacity.root.default.capacity", "100");
        conf.set("yarn.scheduler.capacity.root.default.maximum-capacity", "100");
        conf.set("yarn.scheduler.capacity.root.default.state", "RUNNING");
        conf.set("yarn.scheduler.capacity.maximum-am-resource-percent", "1.0");
        return conf;
    }

    private static void writeClientSettings(Configuration nodes, Path folder) throws IOException {
        Configuration client = new Configuration(false);
        for (String key : CLIENT_SETTINGS) {
            client.set(key, nodes.get(key));
        }
        client.set("dfs.replication", "" + DATA_NODES);
        for (String file : List.of("core-site.xml", "hdfs-site.xml", "yarn-site.xml")) {
            try (OutputStream out = Files.newOutputStream(folder.resolve(file))) {
                client.writeXml(out);
            }
        }
    }

    private void obey() throws Exception {
        System.out.println("ready");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            obey(command);
            System.out.println("done");
        }
    }

    private void obey(String command) throws Exception {
        switch (command) {
            case "stop-datanode" -> stopped.push(hdfs.stopDataNode(0));
            case "start-datanode" -> hdfs.restartDataNode(stopped.pop(), true);
            case "stop-namenode" -> hdfs.shutdownNameNode(0);
            case "start-namenode" -> hdfs.restartNameNode(0, true);
            default -> throw new IllegalArgumentException(command);
        }
    }
}
