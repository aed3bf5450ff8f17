// layout.cuh: the structs that the host fills. The module publishes how each is laid out, so that the host can check that it
// writes what the kernels read.
//
// FIELDS lists the fields in order, once: #define FIELDS(FIELD) FIELD(type, name) FIELD(type, name) ...
// HOST_STRUCT(Name, FIELDS) declares struct Name and the module's table layout_Name: name, offset and size in bytes of each
// field, in order, then {"sizeof", 0, bytes of the whole}. Java has the same list (KernelStructs) and compares the two
// whenever it loads a module.
#pragma once

struct Field {
    char name[24];
    int offset, size;
};

// NVRTC knows __builtin_offsetof from 13.4 on alone; __INTADDR__ is what nvcc and NVRTC have in all versions.
#define STRUCT_MEMBER(TYPE, NAME) TYPE NAME;
#define LAYOUT_ENTRY(TYPE, NAME) {#NAME, (int)__INTADDR__(&((Self *)0)->NAME), (int)sizeof(Self::NAME)},
#define HOST_STRUCT(NAME, FIELDS)                                                                                   \
    struct NAME {                                                                                                   \
        FIELDS(STRUCT_MEMBER)                                                                                       \
    };                                                                                                              \
    namespace layout_of_##NAME {                                                                                    \
        typedef NAME Self;                                                                                          \
        extern "C" __device__ const Field layout_##NAME[] = {FIELDS(LAYOUT_ENTRY){"sizeof", 0, (int)sizeof(Self)}}; \
    }
