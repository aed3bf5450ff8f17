// step_state.cu: what the step itself changes in its device struct.
//
// next_micro_batch   state.stream += 1, so that the next micro-batch draws other dropout masks
//                    grid 1   block 1
#include "common.cuh"

extern "C" __global__ void next_micro_batch(StepState *state) { state->stream += 1; }
