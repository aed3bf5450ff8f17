package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.KernelSource;
import dev.kindling.device.cuda.library.Nvrtc;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The kernels of a device, compiled and loaded at first use by file and constants. */
final class KernelModules implements AutoCloseable {
    private final Nvrtc nvrtc;
    private final Map<String, KernelSource> sources = new HashMap<>();
    private final Map<List<Object>, CudaModule> modules = new HashMap<>();

    KernelModules(Nvrtc nvrtc) {
        this.nvrtc = nvrtc;
    }

    /** @param constants -D names and values in turn, always in the same order */
    CudaModule module(String stem, Object... constants) {
        List<Object> key = new ArrayList<>(constants.length + 1);
        key.add(stem);
        key.addAll(Arrays.asList(constants));
        CudaModule known = modules.get(key);
        if (known == null) {
            Map<String, String> options = new TreeMap<>();
            for (int i = 0; i < constants.length; i += 2) {
                options.put((String) constants[i], String.valueOf(constants[i + 1]));
            }
            KernelSource source = sources.computeIfAbsent(stem, KernelSource::of);
            known = new CudaModule(stem, nvrtc.cubin(source, options));
            modules.put(key, known);
        }
        return known;
    }

    @Override
    public void close() {
        modules.values().forEach(CudaModule::close);
        modules.clear();
    }
}
