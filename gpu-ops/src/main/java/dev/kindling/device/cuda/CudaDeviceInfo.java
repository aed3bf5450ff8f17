package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.device.cuda.library.CudaLibraries;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/**
 * A GPU that this process sees.
 *
 * @param ordinal position in PCI bus order, which does not depend on CUDA_DEVICE_ORDER
 * @param driverOrdinal position in the driver's own order
 * @param uuid as nvidia-smi prints it, GPU-...
 * @param compute capability, e.g. 90 for 9.0
 * @param clockKilohertz the highest that the multiprocessors may run at
 */
public record CudaDeviceInfo(
        int ordinal,
        int driverOrdinal,
        String name,
        String uuid,
        String pciBusId,
        int compute,
        int multiprocessors,
        int clockKilohertz,
        long totalBytes) {

    /** The target that kernels are compiled for: "sm_90a" with Hopper's own instructions, else e.g. "sm_80". */
    public String architecture() {
        return "sm_" + compute + (compute == 90 || compute >= 100 ? "a" : "");
    }

    /**
     * All GPUs in PCI bus order.
     *
     * @throws CudaException if there is no driver or no GPU
     */
    public static List<CudaDeviceInfo> all() {
        CudaLibraries.load();
        CudaCall.check(JCudaDriver.cuInit(0), "initialize the driver");
        int[] count = new int[1];
        CudaCall.check(JCudaDriver.cuDeviceGetCount(count), "count the GPUs");
        List<CudaDeviceInfo> found = new ArrayList<>();
        for (int i = 0; i < count[0]; i++) {
            found.add(describe(i));
        }
        found.sort(Comparator.comparing(CudaDeviceInfo::pciBusId));
        List<CudaDeviceInfo> ordered = new ArrayList<>();
        for (CudaDeviceInfo info : found) {
            ordered.add(info.at(ordered.size()));
        }
        return List.copyOf(ordered);
    }

    private CudaDeviceInfo at(int position) {
        return new CudaDeviceInfo(
                position, driverOrdinal, name, uuid, pciBusId, compute, multiprocessors, clockKilohertz, totalBytes);
    }

    private static CudaDeviceInfo describe(int driverOrdinal) {
        CUdevice device = new CUdevice();
        CudaCall.check(JCudaDriver.cuDeviceGet(device, driverOrdinal), "take GPU %d", driverOrdinal);
        byte[] name = new byte[256];
        CudaCall.check(JCudaDriver.cuDeviceGetName(name, name.length, device), "name GPU %d", driverOrdinal);
        CUuuid uuid = new CUuuid();
        CudaCall.check(JCudaDriver.cuDeviceGetUuid(uuid, device), "identify GPU %d", driverOrdinal);
        String[] bus = new String[1];
        CudaCall.check(JCudaDriver.cuDeviceGetPCIBusId(bus, 32, device), "locate GPU %d", driverOrdinal);
        long[] bytes = new long[1];
        CudaCall.check(JCudaDriver.cuDeviceTotalMem(bytes, device), "size GPU %d", driverOrdinal);
        int compute = 10 * attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
        int processors = attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        return new CudaDeviceInfo(
                driverOrdinal,
                driverOrdinal,
                text(name),
                format(uuid.bytes),
                bus[0].strip(),
                compute,
                processors,
                attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
                bytes[0]);
    }

    private static int attribute(CUdevice device, int attribute) {
        int[] value = new int[1];
        CudaCall.check(JCudaDriver.cuDeviceGetAttribute(value, attribute, device), "read GPU attribute %d", attribute);
        return value[0];
    }

    private static String text(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        int end = text.indexOf('\0');
        return end < 0 ? text : text.substring(0, end);
    }

    static String format(byte[] uuid) {
        StringBuilder text = new StringBuilder("GPU-");
        for (int i = 0; i < 16; i++) {
            text.append(i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "")
                    .append(String.format(Locale.ROOT, "%02x", uuid[i]));
        }
        return text.toString();
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s (%s)", name, uuid);
    }
}
