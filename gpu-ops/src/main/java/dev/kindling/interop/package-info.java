/**
 * Models of other programs, read and written.
 *
 * <p>In: a folder as Hugging Face's transformers writes it ({@link dev.kindling.interop.ModelFolder} says where it lies),
 * or weights as they stream from a checkpoint. Out: the model's shape and its weights by Kindling's names ({@link
 * dev.kindling.interop.HuggingFaceModel}), or files of transformers, nanoGPT ({@link
 * dev.kindling.interop.NanoGptModel}) or llama.cpp ({@link dev.kindling.interop.GgufModel}). Weights are
 * streamed from file to file, so that memory does not grow with the model. Every file is distrusted: what is missing,
 * damaged or unknown is an error that names the file and the tensor.
 *
 * <p>Used by the commands {@code import} and {@code export} and by {@code train.init_from}, on the driver. Starts no
 * threads.
 */
package dev.kindling.interop;
