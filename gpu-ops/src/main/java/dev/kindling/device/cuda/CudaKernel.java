package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.CudaCall;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/** One kernel of a loaded module. */
final class CudaKernel {
    private static final int SHARED_WITHOUT_ASKING = 48 * 1024;

    private final String name;
    private final CUfunction function;
    private int sharedBytes = SHARED_WITHOUT_ASKING;

    CudaKernel(String name, CUfunction function) {
        this.name = name;
        this.function = function;
    }

    /** Extents of a launch; shared memory in bytes. */
    record Grid(int x, int y, int z, int blockX, int blockY, int sharedBytes) {
        static Grid of(long x, int block) {
            return new Grid(Math.toIntExact(x), 1, 1, block, 1, 0);
        }

        /** Enough blocks for {@code elements}, of which each takes {@code perBlock}. */
        static Grid cover(long elements, int perBlock, int block) {
            return of((elements + perBlock - 1) / perBlock, block);
        }
    }

    /** Enqueues the kernel with the arguments that were added. A grid without blocks does nothing. */
    void launch(CUstream stream, Grid grid, LaunchArguments arguments) {
        if (grid.x() == 0 || grid.y() == 0 || grid.z() == 0) {
            return;
        }
        if (grid.sharedBytes() > sharedBytes) {
            CudaCall.check(
                    JCudaDriver.cuFuncSetAttribute(
                            function,
                            CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                            grid.sharedBytes()),
                    "give kernel %s %,d bytes of shared memory",
                    name,
                    grid.sharedBytes());
            sharedBytes = grid.sharedBytes();
        }
        int result = JCudaDriver.cuLaunchKernel(
                function,
                grid.x(),
                grid.y(),
                grid.z(),
                grid.blockX(),
                grid.blockY(),
                1,
                grid.sharedBytes(),
                stream,
                arguments.table(),
                null);
        if (result != 0) {
            CudaCall.check(result, "launch kernel %s with %s", name, grid);
        }
    }
}
